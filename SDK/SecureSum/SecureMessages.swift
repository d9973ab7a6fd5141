public import NodeKit
internal import ProtoFields

// The messages of a round, as trainer.proto has them. What is wrong in itself is refused when it is read; what does not
// fit the round, by the state machine that it is given to.

/// A trainer's keys of a round.
public struct SecureAdvert: Sendable, Equatable {
  /// For sealing shares to it, and for the masks that it has in common with others.
  public var sealing: [UInt8] = []
  public var masking: [UInt8] = []
  /// To the seed of its own mask, so that a wrong one is noticed when it is put together.
  public var commitment: [UInt8] = []

  fileprivate func write(to writer: inout ProtoWriter) {
    writer.data(1, sealing)
    writer.data(2, masking)
    writer.data(3, commitment)
  }

  init() {}

  fileprivate init(_ message: ProtoReader) throws(RoleError) {
    var message = message
    while try message.next() {
      switch message.field {
      case 1: sealing = try message.data()
      case 2: masking = try message.data()
      case 3: commitment = try message.data()
      default: break
      }
    }
    guard [sealing, masking, commitment].allSatisfy({ $0.count == SecureKeys.size }) else {
      throw RoleError(.invalidArgument, "a trainer's keys are not of \(SecureKeys.size) bytes each")
    }
  }
}

/// All keys of a round, each at its trainer's place, from 1.
public struct SecureRoster: Sendable, Equatable {
  /// The receiver's own place.
  public var place: Int
  public var adverts: [SecureAdvert]
}

/// Shares of secrets, sealed to whom they are for.
public struct SealedShare: Sendable, Equatable {
  /// To the server: for whom. From it: of whom.
  public var place: Int
  public var bytes: [UInt8]

  /// A share of each secret, and the seal.
  static let size = 2 * SecretShare.size + SecureKeys.tag
}

/// What the server asks in the end.
public struct SecureUnmask: Sendable, Equatable {
  /// Whose numbers are in the sum: the shares of their own masks.
  public var survivors: [Int]
  /// Who has gone after others had masks in common with it: the shares of the key of these.
  public var gone: [Int]
}

/// The answer to it.
public struct SecureShares: Sendable, Equatable {
  struct Revealed: Sendable, Equatable {
    var place: Int
    var share: SecretShare
  }
  var seeds: [Revealed] = []
  var keys: [Revealed] = []
}

/// A message to a trainer.
public enum SecureRequest: Sendable, Equatable {
  case begin(SecurePlan)
  case roster(round: String, SecureRoster)
  case deliver(round: String, [SealedShare])
  case unmask(round: String, SecureUnmask)

  public var round: String {
    switch self {
    case .begin(let plan): plan.round
    case .roster(let round, _), .deliver(let round, _), .unmask(let round, _): round
    }
  }

  public var bytes: [UInt8] {
    var writer = ProtoWriter()
    writer.string(1, round)
    switch self {
    case .begin(let plan): writer.message(2) { plan.write(to: &$0) }
    case .roster(_, let roster):
      writer.message(3) { part in
        part.uint64(1, UInt64(roster.place))
        for advert in roster.adverts { part.message(2) { advert.write(to: &$0) } }
      }
    case .deliver(_, let shares): writer.message(4) { SealedShare.write(shares, to: &$0) }
    case .unmask(_, let unmask):
      writer.message(5) { part in
        part.ints(1, unmask.survivors)
        part.ints(2, unmask.gone)
      }
    }
    return writer.bytes
  }

  public init(_ bytes: [UInt8]) throws(RoleError) {
    var reader = ProtoReader(bytes), round = "", found: SecureRequest?
    while try reader.next() {
      switch reader.field {
      case 1: round = try reader.string()
      case 2: found = .begin(try SecurePlan(reader.message(), round: round))
      case 3: found = .roster(round: round, try SecureRoster(reader.message()))
      case 4: found = .deliver(round: round, try SealedShare.read(reader.message()))
      case 5: found = .unmask(round: round, try SecureUnmask(reader.message()))
      default: break
      }
    }
    guard let found, !round.isEmpty else {
      throw RoleError(.invalidArgument, "a message of a secure sum names no round, or says nothing of it")
    }
    self = found
  }
}

/// A trainer's answer.
public enum SecureAnswer: Sendable, Equatable {
  case keys(SecureAdvert)
  case shares([SealedShare])
  /// The shares of all others have come; the training may begin.
  case ready
  case revealed(SecureShares)

  public var bytes: [UInt8] {
    var writer = ProtoWriter()
    switch self {
    case .keys(let advert): writer.message(1) { advert.write(to: &$0) }
    case .shares(let shares): writer.message(2) { SealedShare.write(shares, to: &$0) }
    case .ready: writer.message(3) { _ in }
    case .revealed(let shares): writer.message(4) { shares.write(to: &$0) }
    }
    return writer.bytes
  }

  public init(_ bytes: [UInt8]) throws(RoleError) {
    var reader = ProtoReader(bytes), found: SecureAnswer?
    while try reader.next() {
      switch reader.field {
      case 1: found = .keys(try SecureAdvert(reader.message()))
      case 2: found = .shares(try SealedShare.read(reader.message()))
      case 3:
        _ = try reader.message()
        found = .ready
      case 4: found = .revealed(try SecureShares(reader.message()))
      default: break
      }
    }
    guard let found else { throw RoleError(.invalidArgument, "an answer of a secure sum says nothing") }
    self = found
  }
}

// MARK: Parts

extension SecurePlan {
  fileprivate func write(to writer: inout ProtoWriter) {
    writer.uint64(1, UInt64(threshold))
    writer.uint64(2, UInt64(participants))
    writer.uint64(3, UInt64(count))
    writer.float(4, range)
    writer.uint64(5, UInt64(weightLimit))
  }

  fileprivate init(_ message: ProtoReader, round: String) throws(RoleError) {
    var message = message, threshold = 0, participants = 0, count = 0, range: Float = 0, weightLimit = 0
    while try message.next() {
      switch message.field {
      case 1: threshold = Int(clamping: try message.uint64())
      case 2: participants = Int(clamping: try message.uint64())
      case 3: count = Int(clamping: try message.uint64())
      case 4: range = try message.float()
      case 5: weightLimit = Int(clamping: try message.uint64())
      default: break
      }
    }
    try self.init(
      round: round, threshold: threshold, participants: participants, count: count, range: range,
      weightLimit: weightLimit)
  }
}

extension SecureRoster {
  fileprivate init(_ message: ProtoReader) throws(RoleError) {
    var message = message
    (place, adverts) = (0, [])
    while try message.next() {
      switch message.field {
      case 1: place = Int(clamping: try message.uint64())
      case 2: adverts.append(try SecureAdvert(message.message()))
      default: break
      }
      guard adverts.count <= SecurePlan.participantLimit else {
        throw message.fault("has more keys than may take part")
      }
    }
  }
}

extension SealedShare {
  fileprivate static func write(_ shares: [SealedShare], to writer: inout ProtoWriter) {
    for share in shares {
      writer.message(1) { part in
        part.uint64(1, UInt64(share.place))
        part.data(2, share.bytes)
      }
    }
  }

  fileprivate static func read(_ message: ProtoReader) throws(RoleError) -> [SealedShare] {
    var message = message, shares: [SealedShare] = []
    while try message.next() {
      guard message.field == 1 else { continue }
      var part = try message.message(), share = SealedShare(place: 0, bytes: [])
      while try part.next() {
        switch part.field {
        case 1: share.place = Int(clamping: try part.uint64())
        case 2: share.bytes = try part.data()
        default: break
        }
      }
      guard share.bytes.count == size else {
        throw RoleError(.invalidArgument, "a sealed share of \(share.bytes.count) bytes; \(size) are expected")
      }
      shares.append(share)
      guard shares.count <= SecurePlan.participantLimit else {
        throw message.fault("has more shares than may take part")
      }
    }
    return shares
  }
}

extension SecureUnmask {
  fileprivate init(_ message: ProtoReader) throws(RoleError) {
    var message = message
    (survivors, gone) = ([], [])
    while try message.next() {
      switch message.field {
      case 1: try message.ints(into: &survivors, limit: SecurePlan.participantLimit)
      case 2: try message.ints(into: &gone, limit: SecurePlan.participantLimit)
      default: break
      }
    }
  }
}

extension SecureShares {
  fileprivate func write(to writer: inout ProtoWriter) {
    for (field, list) in [(1, seeds), (2, keys)] {
      for one in list {
        writer.message(field) { part in
          part.uint64(1, UInt64(one.place))
          part.data(2, one.share.bytes)
        }
      }
    }
  }

  fileprivate init(_ message: ProtoReader) throws(RoleError) {
    var message = message
    while try message.next() {
      switch message.field {
      case 1: seeds.append(try Self.revealed(message.message()))
      case 2: keys.append(try Self.revealed(message.message()))
      default: break
      }
      guard seeds.count + keys.count <= SecurePlan.participantLimit else {
        throw message.fault("has more shares than may take part")
      }
    }
  }

  private static func revealed(_ message: ProtoReader) throws(RoleError) -> Revealed {
    var message = message, place = 0, share: SecretShare?
    while try message.next() {
      switch message.field {
      case 1: place = Int(clamping: try message.uint64())
      case 2: share = SecretShare(try message.slice())
      default: break
      }
    }
    guard let share else { throw RoleError(.invalidArgument, "what is revealed of place \(place) is no share") }
    return Revealed(place: place, share: share)
  }
}
