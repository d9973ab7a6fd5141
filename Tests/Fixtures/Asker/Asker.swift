import NodeKit

/// A role that sends requests to others as it is told, for tests.
@main
final class Asker: Role {
  static let about = About("asker", version: "1.0.0", "Asks other servers.")
  static let needs: [Need] = [.client, .timer]
  static let methods = [
    Method("ask(method, url, body, timeout_ms, retries)", "Status, headers, body and trailers.", ask),
    Method("pour(url, size)", "Puts so many bytes, piece by piece, and answers with what came back.", pour),
    Method("drink(url, sip)", "Takes an answer so many bytes at a time; the number of bytes.", drink),
    Method("leave(url)", "Gives a request up at the first piece of its answer.", leave),
    Method("open()", "How many requests are under way.", open),
  ]

  private let context: RoleContext
  private var underWay = 0
  init(_ context: RoleContext, _ config: NoConfig) { self.context = context }
  func start() {}

  func open() -> Int { underWay }

  func ask(
    _ method: String, _ url: String, _ body: String, _ timeout: Int, _ retries: Int, _ reply: Reply<JSON>
  ) throws {
    underWay += 1
    try context.client.request(
      method, url, headers: ["X-Asked-By": context.roleName], body: body,
      timeout: timeout > 0 ? .milliseconds(timeout) : nil, retries: retries
    ) { [unowned self] result in
      underWay -= 1
      answer(reply, result)
    }
  }

  private func answer(_ reply: Reply<JSON>, _ result: Result<HTTPAnswer, RoleError>) {
    switch result {
    case .success(let answer):
      let headers = answer.headers.map { ($0.name, JSON.string($0.value)) }
      reply.send([
        "status": JSON(answer.status), "headers": .object(JSONObject(headers)), "body": .string(answer.text),
        "trailers": .object(JSONObject(answer.trailers.map { ($0.name, JSON.string($0.value)) })),
      ])
    case .failure(let error): reply.fail(error)
    }
  }

  func pour(_ url: String, _ size: Int, _ reply: Reply<JSON>) throws {
    var left = size
    var answer = HTTPAnswer()
    let request = try context.client.open("PUT", url, body: nil) { [unowned self] request, event in
      switch event {
      case .writable: try pour(&left, into: request)
      case .answered(let head): answer = head
      case .body(let piece): answer.body += piece
      case .ended: self.answer(reply, .success(answer))
      case .failed(let error): reply.fail(error)
      }
    }
    // Before the request has gone out, as much is taken as is kept for sending it again.
    try context.timer.once(after: .zero) { [unowned self] in try pour(&left, into: request) }
  }

  private func pour(_ left: inout Int, into request: ClientRequest) throws {
    while left > 0 {
      let piece = [UInt8](repeating: UInt8(ascii: "p"), count: min(left, 30_000))
      guard try request.write(piece) else { return }
      left -= piece.count
    }
    request.finish()
  }

  func drink(_ url: String, _ sip: Int, _ reply: Reply<Int>) throws {
    var count = 0
    try context.client.open("GET", url, byCredit: true) { [unowned self] request, event in
      switch event {
      case .body(let piece):
        count += piece.count
        // Later, so that what is sent meanwhile has to wait.
        if count >= 64 << 10 { try context.timer.once(after: .milliseconds(1)) { request.wantMore(sip) } }
      case .ended: reply.send(count)
      case .failed(let error): reply.fail(error)
      case .answered, .writable: break
      }
    }
  }

  func leave(_ url: String, _ reply: Reply<String>) throws {
    try context.client.open("GET", url) { request, event in
      switch event {
      case .body(let piece):
        request.cancel()
        reply.send("left after \(piece.count)")
      case .failed(let error): reply.fail(error)
      default: break
      }
    }
  }
}
