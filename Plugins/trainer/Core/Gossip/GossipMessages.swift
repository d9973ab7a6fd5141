internal import NodeKit
internal import ProtoFields
internal import Tensors

// What trainers say to one another, as trainer.proto has it.

struct GossipRequest: Equatable {
  enum Part: Equatable {
    case offer(SparseNumbers)
    /// The means at the places that were answered.
    case settle([Float])
  }

  /// Trainers of different networks do not exchange.
  var network: String
  var round: Int
  var from: String
  var rows: [Bandwidths.Row] = []
  var part: Part

  var bytes: [UInt8] {
    var writer = ProtoWriter()
    writer.string(1, network)
    writer.uint64(2, UInt64(round))
    writer.string(3, from)
    for row in rows { writer.message(4) { row.write(to: &$0) } }
    switch part {
    case .offer(let offer): writer.message(5) { offer.write(to: &$0) }
    case .settle(let means): writer.message(6) { $0.bare(1, means) }
    }
    return writer.bytes
  }

  init(network: String, round: Int, from: String, rows: [Bandwidths.Row] = [], part: Part) {
    (self.network, self.round, self.from, self.rows, self.part) = (network, round, from, rows, part)
  }

  init(_ bytes: [UInt8]) throws(RoleError) {
    (network, round, from) = ("", 0, "")
    var reader = ProtoReader(bytes), part: Part?
    while try reader.next() {
      switch reader.field {
      case 1: network = try reader.string()
      case 2: round = try reader.round()
      case 3: from = try reader.string()
      case 4: rows.append(try Bandwidths.Row(reader.message()))
      case 5: part = .offer(try SparseNumbers(reader.message()))
      case 6:
        var message = try reader.message(), means: [Float] = []
        while try message.next() { if message.field == 1 { means = try message.bare() } }
        part = .settle(means)
      default: break
      }
      guard rows.count <= 4 * Bandwidths.rowLimit else { throw reader.fault("has too many rows") }
    }
    guard let part else { throw RoleError(.invalidArgument, "a message of gossip offers nothing and settles nothing") }
    self.part = part
  }
}

struct GossipAnswer: Equatable {
  var rows: [Bandwidths.Row] = []
  /// At the places that were offered.
  var means: [Float] = []
  var own = SparseNumbers()

  var bytes: [UInt8] {
    var writer = ProtoWriter()
    for row in rows { writer.message(1) { row.write(to: &$0) } }
    writer.bare(2, means)
    writer.message(3) { own.write(to: &$0) }
    return writer.bytes
  }

  init(rows: [Bandwidths.Row] = [], means: [Float] = [], own: SparseNumbers = SparseNumbers()) {
    (self.rows, self.means, self.own) = (rows, means, own)
  }

  init(_ bytes: [UInt8]) throws(RoleError) {
    var reader = ProtoReader(bytes)
    while try reader.next() {
      switch reader.field {
      case 1: rows.append(try Bandwidths.Row(reader.message()))
      case 2: means = try reader.bare()
      case 3: own = try SparseNumbers(reader.message())
      default: break
      }
      guard rows.count <= 4 * Bandwidths.rowLimit else { throw reader.fault("has too many rows") }
    }
  }
}

extension Bandwidths.Row {
  fileprivate func write(to writer: inout ProtoWriter) {
    writer.uint64(1, UInt64(epoch))
    writer.string(2, trainer)
    for (peer, rate) in rates.sorted(by: { $0.key < $1.key }) {
      writer.message(3) { part in
        part.string(1, peer)
        part.uint64(2, UInt64(rate))
      }
    }
  }

  fileprivate init(_ message: ProtoReader) throws(RoleError) {
    var message = message
    self.init(epoch: 0, trainer: "", rates: [:])
    while try message.next() {
      switch message.field {
      case 1: epoch = try message.round()
      case 2: trainer = try message.string()
      case 3:
        var part = try message.message(), peer = "", rate = 0
        while try part.next() {
          switch part.field {
          case 1: peer = try part.string()
          case 2: rate = try part.round()
          default: break
          }
        }
        rates[peer] = rate
      default: break
      }
      guard rates.count <= Bandwidths.epochLength else { throw message.fault("has more peers than rounds") }
    }
  }
}

extension SparseNumbers {
  fileprivate func write(to writer: inout ProtoWriter) {
    writer.bare(1, places)
    writer.bare(2, values)
  }

  fileprivate init(_ message: ProtoReader) throws(RoleError) {
    var message = message
    self.init()
    while try message.next() {
      switch message.field {
      case 1: places = try message.bare()
      case 2: values = try message.bare()
      default: break
      }
    }
  }
}

extension ProtoWriter {
  /// Numbers of four bytes each, the least byte first.
  fileprivate mutating func bare(_ field: Int, _ numbers: [some BitwiseCopyable]) {
    numbers.withUnsafeBytes { data(field, $0) }
  }
}

extension ProtoReader {
  fileprivate mutating func bare<Number: BitwiseCopyable>() throws(RoleError) -> [Number] {
    let bytes = try slice()
    guard bytes.count % 4 == 0 else { throw fault("is not of whole numbers") }
    return bytes.withUnsafeBytes { raw in
      (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Number.self) }
    }
  }

  /// Above what any round reaches it is cut.
  fileprivate mutating func round() throws(RoleError) -> Int { Int(min(try uint64(), 1 << 48)) }
}

/// Reads the bytes as messages of both sides, and gives what is offered to a small model. Must never trap.
package func fuzzGossip(_ bytes: [UInt8]) {
  let model = GossipModel(FloatBuffer(count: 100))
  if let request = try? GossipRequest(bytes) {
    precondition(isSame(request.bytes, (try? GossipRequest(request.bytes))?.bytes), "read differently")
    var table = Bandwidths()
    table.merge(request.rows, round: request.round)
    let members = [request.from, "a", "b"] + request.rows.map(\.trainer)
    _ = Matching.partners(of: Array(members.prefix(8)), round: request.round, bandwidths: table)
    if case .offer(let offer) = request.part { _ = try? model.answer(offer, 10) }
    if case .settle(let means) = request.part { try? model.settle(means, at: [1, 2]) }
  }
  if let answer = try? GossipAnswer(bytes) {
    precondition(isSame(answer.bytes, (try? GossipAnswer(answer.bytes))?.bytes), "read differently")
    _ = try? model.take(answer.means, of: model.offer(5), answer.own)
  }
  precondition(model.values.array.allSatisfy(\.isFinite))
}

/// As bytes: of numbers that are none, none equals itself.
private func isSame(_ one: [UInt8], _ other: [UInt8]?) -> Bool { one == other }
