internal import NodeKit

/// What stands in the role's store:
///
///     self            how often the role has been started
///     promise         the highest ballot that was promised, and the one that its records are of
///     d/ID            a recorded decision that somebody has yet to learn
///     p/ID            a transaction that this node is prepared for
///     h/NUMBER        what is over, the newest last
///     x/ID            what is over and went wrong
///
/// Each value begins with its version; the second of `p/ID` is of those that follow others, which it names first.
enum StoredRecords {
  static let own = Array("self".utf8)
  static let promise = Array("promise".utf8)
  static func decision(_ id: String) -> [UInt8] { Array("d/".utf8) + Array(id.utf8) }
  static func prepared(_ id: String) -> [UInt8] { Array("p/".utf8) + Array(id.utf8) }
  static func damaged(_ id: String) -> [UInt8] { Array("x/".utf8) + Array(id.utf8) }
  static func past(_ number: UInt64) -> [UInt8] {
    var key = Array("h/".utf8)
    withUnsafeBytes(of: number.bigEndian) { key.append(contentsOf: $0) }
    return key
  }

  static let version: UInt8 = 1
  static let versionOfFollowers: UInt8 = 2

  static func write(version: UInt8 = version, _ body: (inout ByteWriter) -> Void) -> [UInt8] {
    var writer = ByteWriter(reserving: 128)
    writer.add(version)
    body(&writer)
    return writer.bytes
  }

  static func read<Content>(
    version: UInt8 = version, _ bytes: [UInt8], _ body: (inout ByteReader) throws(MalformedBytes) -> Content
  ) throws(MalformedBytes) -> Content {
    var reader = ByteReader(bytes)
    guard try reader.number(UInt8.self) == version else { throw MalformedBytes() }
    let content = try body(&reader)
    try reader.end()
    return content
  }
}

/// A ballot that was promised, and the ballot of the records that lie beside it.
struct PromiseRecord: Equatable {
  var promised = Ballot()
  var baseline = Ballot()

  var bytes: [UInt8] {
    StoredRecords.write {
      $0.add(promised)
      $0.add(baseline)
    }
  }

  init() {}

  init(_ bytes: [UInt8]) throws(MalformedBytes) {
    self = try StoredRecords.read(bytes) { (reader: inout ByteReader) throws(MalformedBytes) in
      var record = PromiseRecord()
      (record.promised, record.baseline) = (try reader.ballot(), try reader.ballot())
      return record
    }
  }
}

/// A decision that a person has taken for one node.
struct Heuristic: Sendable, Equatable {
  var outcome: Outcome
  var why: String
  /// Milliseconds since 1970.
  var at: Int64
  /// The resources have carried it out, and the keys are free.
  var isDone = false
}

/// What a node keeps of a transaction that it is prepared for.
struct PreparedRecord: Equatable {
  /// With the shares of the resources that voted yes.
  var transaction: Transaction
  /// Those that had some of its keys, and were not known to be carried out.
  var behind: [String] = []
  /// Milliseconds since 1970.
  var preparedAt: Int64 = 0
  /// Of the only participant, which decides by itself.
  var decision: Decision?
  var heuristic: Heuristic?

  init(_ transaction: Transaction) { self.transaction = transaction }

  private static func version(_ followsOthers: Bool) -> UInt8 {
    followsOthers ? StoredRecords.versionOfFollowers : StoredRecords.version
  }

  var bytes: [UInt8] {
    StoredRecords.write(version: Self.version(!behind.isEmpty)) {
      if !behind.isEmpty { $0.add(list: behind) { $0.add(counted: $1) } }
      $0.add(transaction)
      $0.add(preparedAt)
      $0.add(list: decision.map { [$0] } ?? []) { $0.add($1) }
      $0.add(list: heuristic.map { [$0] } ?? []) { $0.add($1) }
    }
  }

  init(_ bytes: [UInt8]) throws(MalformedBytes) {
    let followsOthers = bytes.first == StoredRecords.versionOfFollowers
    self = try StoredRecords.read(version: Self.version(followsOthers), bytes) {
      (reader: inout ByteReader) throws(MalformedBytes) in
      let behind =
        followsOthers
        ? try reader.list { (reader: inout ByteReader) throws(MalformedBytes) in try reader.text() } : []
      var record = PreparedRecord(try reader.transaction())
      record.behind = behind
      record.preparedAt = try reader.number()
      record.decision = try reader.list { (reader: inout ByteReader) throws(MalformedBytes) in
        try reader.decision()
      }.first
      record.heuristic = try reader.list { (reader: inout ByteReader) throws(MalformedBytes) in
        try reader.heuristic()
      }.first
      return record
    }
  }
}

extension ByteWriter {
  mutating func add(_ heuristic: Heuristic) {
    add(heuristic.outcome.rawValue)
    add(counted: heuristic.why)
    add(heuristic.at)
    add(heuristic.isDone)
  }
}

extension ByteReader {
  mutating func heuristic() throws(MalformedBytes) -> Heuristic {
    guard let outcome = Outcome(rawValue: try number()) else { throw MalformedBytes() }
    return Heuristic(outcome: outcome, why: try text(), at: try number(), isDone: try truth())
  }
}
