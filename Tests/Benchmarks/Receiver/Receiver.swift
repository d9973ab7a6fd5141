import NodeKit

/// Takes objects by HTTP: `PUT /objects/NAME` answers when the object is on the disk.
@main
final class Receiver: Role {
  static let about = About("receiver", version: "1.0.0", "Keeps what is sent to it.")
  static let needs: [Need] = [.http, .blob]

  private let context: RoleContext
  init(_ context: RoleContext, _ config: NoConfig) { self.context = context }

  func start() throws {
    try context.http.route("PUT", "/objects/{name}") { [unowned self] request in
      try request.saveBody(
        in: context.blobs, as: request["name"] ?? "", from: request.queryValue("from").flatMap { Int($0) } ?? 0,
        sha256: request.header("x-sha256"), mediaType: request.header("content-type")
      ) { result in
        let stored = try result.get()
        try request.answer(201, json: ["sha256": .string(stored.sha256), "size": JSON(stored.size)])
      }
    }
  }
}
