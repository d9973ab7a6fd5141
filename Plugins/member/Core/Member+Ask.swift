import NodeKit

/// Why a call of a gateway failed.
struct Failure: Error {
  var error: RoleError
  /// What an overloaded gateway asks for, in `retry-after-ms`.
  var retryAfter: Duration?

  init(_ error: any Error) {
    self = error as? Failure ?? Failure(RoleError(.internal, "its answer makes no sense: \(RoleError(error))"), nil)
  }

  init(_ error: RoleError, _ retryAfter: Duration?) { (self.error, self.retryAfter) = (error, retryAfter) }
}

extension Member {
  /// One call of the gateway in use.
  func ask(_ path: String, _ message: [UInt8], then done: @escaping (Result<[UInt8], Failure>) -> Void) {
    let began = context.now
    do {
      let call = try context.rpc.open(path, at: gateways.current, options(timeout: config.callTimeout))
      var answer: [UInt8]?
      call.receive { answer = $0 }
      call.whenEnded { [unowned self] ending in
        gauges.callSeconds.observe(began.duration(to: context.now))
        done(Self.outcome(answer, ending))
      }
      _ = try call.send(message)
      try call.finish()
    } catch {
      // Not within the caller: it still says what it waits for.
      let failure = Failure(RoleError(error), nil)
      do {
        try context.timer.once(after: .zero) { done(.failure(failure)) }
      } catch {
        done(.failure(failure))
      }
    }
  }

  func options(timeout: Duration) -> RpcOptions {
    let token = config.token.reveal()
    return RpcOptions(metadata: token.isEmpty ? [:] : ["authorization": "Bearer \(token)"], timeout: timeout)
  }

  private static func outcome(_ answer: [UInt8]?, _ ending: RpcEnding) -> Result<[UInt8], Failure> {
    if let error = ending.error {
      let pause = ending.metadata["retry-after-ms"].flatMap { Int64($0) }
      return .failure(Failure(error, pause.map { .milliseconds(min(max(0, $0), 3_600_000)) }))
    }
    guard let answer else { return .failure(Failure(RoleError(.internal, "it answers without a message"), nil)) }
    return .success(answer)
  }
}
