import NodeKit

/// What a request through a role costs: it answers 100 bytes, and gives back what it is sent.
@main
final class Greeter: Role {
  struct Config: RoleConfig {}

  static let about = About("greeter", version: "1.0.0", "Answers with 100 bytes.")
  static let needs: [Need] = [.http]

  private let context: RoleContext
  private let text = [UInt8](repeating: UInt8(ascii: "x"), count: 100)

  init(_ context: RoleContext, _ config: Config) { self.context = context }

  func start() throws {
    try context.http.route("GET", "/hello") { [text] request in try request.answer(type: "text/plain", text) }
    try context.http.route("POST", "/echo") { request in
      try request.begin(type: "application/octet-stream")
      request.readBody { piece in _ = try request.write(piece) } then: { _ in request.end() }
    }
  }
}
