/// What electors say to one another. Every message has the same form, so that reading one cannot go far wrong.
public struct ElectorMessage: Sendable, Equatable {
  public enum Kind: UInt8, Sendable, CaseIterable {
    /// A link came up: who I am, and whom I follow.
    case hello = 1
    /// "Is anybody of higher rank alive?"
    case election
    /// "I am, and see to it."
    case ok
    /// "I lead", at once and then with each heartbeat.
    case coordinator
    /// A coordinator was heard.
    case acknowledged
    /// "Would you vote for me?"; nothing comes of it but an answer.
    case poll
    case wouldVote
    case vote
    case voted
    /// "No: I know a later term, or follow somebody who lives."
    case refused
    /// "I lead no more"; `node` is to take over.
    case released
  }

  public var kind: Kind
  /// Of the sender.
  public var priority: Int32
  public var term: UInt64
  /// When the question was asked, on the clock of whoever asked; an answer has that of its question.
  public var stamp: Int64
  /// Who leads, or is to; nil: nobody.
  public var node: Int?
  /// How many nodes the sender is linked with, itself among them.
  public var reach: UInt16

  public init(
    _ kind: Kind, priority: Int32 = 0, term: UInt64 = 0, stamp: Int64 = 0, node: Int? = nil, reach: UInt16 = 0
  ) {
    (self.kind, self.priority, self.term, self.stamp) = (kind, priority, term, stamp)
    (self.node, self.reach) = (node, reach)
  }

  private static let version: UInt8 = 1
  static let size = 32
  private static let nobody = UInt64.max

  public var bytes: [UInt8] {
    var bytes = [Self.version, kind.rawValue]
    bytes.reserveCapacity(Self.size)
    func put(_ number: UInt64, _ count: Int) {
      for place in 0..<count { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * UInt64(place)))) }
    }
    put(UInt64(reach), 2)
    put(UInt64(UInt32(bitPattern: priority)), 4)
    put(term, 8)
    put(UInt64(bitPattern: stamp), 8)
    put(node.map { UInt64($0) } ?? Self.nobody, 8)
    return bytes
  }

  /// Nil for what no elector of this version sends.
  public init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.size, bytes[0] == Self.version, let kind = Kind(rawValue: bytes[1]) else { return nil }
    func number(_ start: Int, _ count: Int) -> UInt64 {
      (0..<count).reduce(0) { $0 | UInt64(bytes[start + $1]) << (8 * UInt64($1)) }
    }
    let node = number(24, 8)
    guard node == Self.nobody || node <= UInt64(UInt32.max) else { return nil }
    self.init(
      kind, priority: Int32(bitPattern: UInt32(number(4, 4))), term: number(8, 8),
      stamp: Int64(bitPattern: number(16, 8)), node: node == Self.nobody ? nil : Int(node),
      reach: UInt16(number(2, 2)))
  }
}
