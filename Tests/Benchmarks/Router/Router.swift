import NodeKit

/// Forwards by the table that its configuration has, and counts what it is told.
@main
final class Router: Role, Stateful {
  struct Config: RoleConfig {
    @Setting("The forward table, as JSON in text.") var table =
      #"{"prefix": "/", "upstreams": [{"id": "first", "url": "http://127.0.0.1:9"}]}"#
  }

  static let about = About("router", version: "1.0.0", "Forwards requests.")
  static let needs: [Need] = [.http]
  static let methods = [
    Method("replace(table)", "Another table.", replace), Method("counted()", "Requests so far.", counted),
    Method("copies()", "Of the mirror so far: requests, failures, differing, slower, originals.", copies),
  ]

  private let context: RoleContext
  static let stateVersion = 1
  private var table: String
  private var forwarding: Forwarding?
  private var requests = 0
  private var mirrored: [String: Int] = [:]

  init(_ context: RoleContext, _ config: Config) {
    self.context = context
    table = config.table
  }

  func start() throws {
    forwarding = try context.http.forward(JSON(parsing: table)) { [unowned self] counts in
      for upstream in counts["upstreams"]?.array ?? [] { requests += Int(upstream["requests"]?.int ?? 0) }
      for name in ["requests", "failures", "differing", "slower"] {
        mirrored[name, default: 0] += Int(counts["mirror"]?[name]?.int ?? 0)
      }
      for count in counts["mirror"]?["original_latency_us"]?["counts"]?.array ?? [] {
        mirrored["originals", default: 0] += Int(count.int ?? 0)
      }
    }
  }

  func save() -> String { table }
  func load(_ table: String, version: Int) { self.table = table }

  func replace(_ table: String) throws -> String {
    try forwarding?.replace(with: JSON(parsing: table))
    self.table = table
    return table
  }

  func counted() -> Int { requests }
  func copies() -> [String: Int] { mirrored }
}
