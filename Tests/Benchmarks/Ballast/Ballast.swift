import NodeKit

/// A role that counts, and drags a megabyte of state along.
@main
final class Ballast: Role, Stateful {
  static let about = About("ballast", version: "1.0.0", "Counts, with a megabyte of state.")
  static let methods = [Method("next()", "Counts.", next)]
  static let needs: [Need] = [.timer]
  static let stateVersion = 1
  private static let size = 1 << 20
  private static let countSize = 8

  private let context: RoleContext
  private var count = 0
  private var state = (0..<Ballast.size).map { UInt8(truncatingIfNeeded: $0 &* 31) }

  init(_ context: RoleContext, _ config: NoConfig) { self.context = context }

  func start() throws {
    try context.timer.every(.seconds(3600)) {}
  }

  func next() -> Int {
    count += 1
    return count
  }

  func save() -> [UInt8] {
    for place in 0..<Ballast.countSize { state[place] = UInt8(truncatingIfNeeded: count >> (8 * place)) }
    return state
  }

  func load(_ bytes: [UInt8], version: Int) throws {
    guard version == Ballast.stateVersion, bytes.count == Ballast.size else {
      throw RoleError(.invalidArgument, "the state of version \(version) has \(bytes.count) bytes")
    }
    count = (0..<Ballast.countSize).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
    state = bytes
  }
}
