internal import Glibc

extension FakeHost {
  /// Loads a plugin that the tests' own package builds, by the name of its product: the library lies beside the
  /// tests. `swift test` has built it, though the tests do not depend on it.
  public convenience init(
    product: String, config: JSON = [:], name: String? = nil, node: String = "node-a", seed: UInt64 = 1,
    without: Set<String> = []
  ) throws {
    try self.init(
      loading: "\(Self.products())/lib\(product).so", config: config, name: name, node: node, seed: seed,
      without: without)
  }

  private static func products() throws -> String {
    var room = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = room.withUnsafeMutableBytes { readlink("/proc/self/exe", $0.baseAddress!, $0.count) }
    guard count > 0, let slash = room[..<count].lastIndex(of: UInt8(ascii: "/")) else {
      throw RoleError(.unavailable, "cannot tell where the tests lie: /proc/self/exe is not readable")
    }
    return String(decoding: room[..<slash], as: UTF8.self)
  }
}
