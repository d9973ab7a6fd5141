import CNodeABI
import HostCore

/// One call of gRPC, whichever side its role is on: how messages are put together from what comes, and asked for.
///
/// The input lives where the connection does, and so does all here but what is said of the role.
class RpcCall: @unchecked Sendable {
  /// Messages that may be asked for ahead.
  private static let wantedLimit = 1 << 30
  /// Bytes behind a message of more than the first credit.
  private static let ahead = 256 << 10

  let role: RoleInstance
  var token: UInt64 = 0
  /// The role's, in its table of calls.
  var handle: UInt64 = 0
  /// How large a message may be.
  let limit: Int

  /// The other side's messages are compressed with gzip where they say so.
  var inputIsGzip = false
  /// It takes messages that are compressed with gzip, and ours shall be.
  var compresses = false
  private var input = ByteQueue()
  /// Messages that were asked for.
  private var wanted = 1
  /// What the message that has begun takes in all.
  private var needed = GrpcFraming.prefixSize
  private var isHanding = false
  private var inputHasEnded = false
  private var toldEnd = false

  init(_ role: RoleInstance) {
    self.role = role
    limit = role.limits.messageBytes
  }

  // MARK: The sides' own

  /// Nothing more is to be done with what comes.
  var isOver: Bool { fatalError("the side's") }
  /// What the wire may still hand on.
  var byteCredit: Int { fatalError("the side's") }
  func grantBytes(_ count: Int) { fatalError("the side's") }
  func messageCame(_ bytes: UnsafeRawBufferPointer) { fatalError("the side's") }
  /// After the last message.
  func messagesEnded() { fatalError("the side's") }
  func inputBroke(_ fault: GrpcFault) { fatalError("the side's") }

  // For the role, on its loop.
  var isClient: Bool { fatalError("the side's") }
  /// The role has begun it while it drains.
  var isFarewell = false
  /// Begun so long ago, and still going on, that a swap which gives calls so many nanoseconds does not wait for it.
  func isStream(longerThan nanoseconds: Int64) -> Bool { false }
  func sendMetadata(_ pairs: nh_pair_list) -> nh_status { fatalError("the side's") }
  func send(_ message: UnsafeRawBufferPointer) -> nh_status { fatalError("the side's") }
  func finish(_ status: nh_status, _ words: nh_str, _ metadata: nh_pair_list, _ details: nh_bytes) -> nh_status {
    fatalError("the side's")
  }
  func cancel() { fatalError("the side's") }
  func credit(_ messages: Int) { fatalError("the side's") }
  /// The role ends or is swapped; it has been told already.
  func giveUp(_ words: String) { fatalError("the side's") }

  // MARK: Input

  final func received(_ bytes: UnsafeRawBufferPointer) {
    guard input.isEmpty, !isHanding else {
      input.append(bytes)
      return pump()
    }
    let used = hand(bytes)
    if used < bytes.count { input.append(UnsafeRawBufferPointer(rebasing: bytes[used...])) }
    // What came meanwhile stands behind.
    settle()
  }

  /// The other side will send no more.
  final func inputEnded() {
    inputHasEnded = true
    pump()
  }

  final func want(_ messages: Int) {
    wanted = min(wanted + messages, Self.wantedLimit)
    pump()
  }

  private func pump() {
    guard !isHanding else { return }
    while !input.isEmpty, wanted > 0, !isOver {
      var bytes = ByteQueue()
      swap(&bytes, &input)
      let used = hand(UnsafeRawBufferPointer(bytes.bytes))
      bytes.removeFirst(used)
      if !input.isEmpty { bytes.append(UnsafeRawBufferPointer(input.bytes)) }
      swap(&bytes, &input)
      if used == 0 { break }
    }
    settle()
  }

  /// Hands on whole messages as far as they are wanted; returns how many bytes those had.
  private func hand(_ bytes: UnsafeRawBufferPointer) -> Int {
    isHanding = true
    defer { isHanding = false }
    var used = 0
    while wanted > 0, !isOver {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[used...])
      switch GrpcFraming.step(rest, limit: limit) {
      case .incomplete(let count):
        needed = count
        return used
      case .refused(let fault):
        inputBroke(fault)
        return bytes.count
      case .message(let isCompressed, let body, let count):
        used += count
        wanted -= 1
        needed = GrpcFraming.prefixSize
        handMessage(body, isCompressed: isCompressed)
      }
    }
    return used
  }

  private func handMessage(_ body: UnsafeRawBufferPointer, isCompressed: Bool) {
    guard isCompressed else { return messageCame(body) }
    guard inputIsGzip else {
      return inputBroke(GrpcFault(GrpcStatus.internalError, "a message is compressed, and no grpc-encoding says how"))
    }
    do throws(GrpcFault) {
      let message = try Gzip.inflate(body, limit: limit)
      message.withUnsafeBytes { messageCame($0) }
    } catch {
      inputBroke(error)
    }
  }

  /// Asks for more bytes as far as messages are wanted, and tells of the end when its turn has come.
  private func settle() {
    guard !isOver, !isHanding else { return }
    if inputHasEnded { return tellEnd() }
    // Behind a large message comes another, mostly: so much of it may be on its way, or each would wait for the one
    // before to be read.
    let ahead = needed >= ServerExchange.firstCredit ? Self.ahead : 0
    let target = max(ServerExchange.firstCredit, wanted > 0 ? needed + ahead : 0)
    let missing = target - byteCredit - input.count
    if missing > 0 { grantBytes(missing) }
  }

  private func tellEnd() {
    guard !toldEnd, input.isEmpty || wanted > 0 else { return }
    toldEnd = true
    guard input.isEmpty else {
      return inputBroke(GrpcFault(GrpcStatus.internalError, "the last message is not whole"))
    }
    messagesEnded()
  }
}
