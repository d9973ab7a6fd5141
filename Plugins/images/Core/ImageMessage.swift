internal import NodeKit

/// What image sinks say to one another.
enum ImageMessage: Equatable {
  /// A link came up, or a role started: where clients find me.
  case hello(address: String, wantsAnswer: Bool)
  /// "I lead in this term: take nothing of an earlier one any more, and tell me what you have."
  case gather(term: UInt64)
  case summary(term: UInt64, digests: [UInt64])
  /// "Tell me the entries of these buckets."
  case ask(term: UInt64, buckets: [UInt8])
  /// The last part of an answer has `isLast`.
  case entries(term: UInt64, entries: [ImageEntry], isLast: Bool)
  /// "Keep these entries"; their objects come otherwise.
  case keep(term: UInt64, number: UInt64, entries: [ImageEntry])
  /// An object is on its way, and with it, if it is new, its entry.
  case open(term: UInt64, number: UInt64, entry: ImageEntry, isNew: Bool)
  case chunk(number: UInt64, offset: UInt64, bytes: ArraySlice<UInt8>)
  /// So much of an object was taken.
  case taken(number: UInt64, offset: UInt64)
  /// What was sent under this number is on the disk.
  case kept(number: UInt64)
  /// It is not and will not be: why, and the latest term that the sender knows.
  case refused(number: UInt64, term: UInt64, reason: Refusal)
  /// The sender gives it up.
  case stop(number: UInt64)
  /// "Send me this object."
  case fetch(id: ImageID)
  /// "I do not have it."
  case absent(id: ImageID)
  /// An upload is on its way that is not whole yet, and comes here as well; which image it is, if any, is told later.
  case begin(term: UInt64, number: UInt64, format: ImageFormat)
  /// All of it has come: to the disk with it.
  case whole(number: UInt64, size: UInt64)
  /// "It is this image: keep it." The answer goes to `number`, and `copy` is what it came under.
  case seal(term: UInt64, copy: UInt64, number: UInt64, entry: ImageEntry)

  enum Refusal: UInt8 { case earlierTerm = 1, busy, disk, damaged }

  /// Of a message with chunks or entries.
  static let entriesLimit = 1000

  private static let version: UInt8 = 1

  private var kind: UInt8 {
    switch self {
    case .hello: 1
    case .gather: 2
    case .summary: 3
    case .ask: 4
    case .entries: 5
    case .keep: 6
    case .open: 7
    case .chunk: 8
    case .taken: 9
    case .kept: 10
    case .refused: 11
    case .stop: 12
    case .fetch: 13
    case .absent: 14
    case .begin: 15
    case .whole: 16
    case .seal: 17
    }
  }

  var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.add(Self.version)
    writer.add(kind)
    switch self {
    case .hello(let address, let wantsAnswer):
      writer.add(wantsAnswer)
      writer.add(rest: address.utf8)
    case .gather(let term): writer.add(term)
    case .summary(let term, let digests):
      writer.add(term)
      for digest in digests { writer.add(digest) }
    case .ask(let term, let buckets):
      writer.add(term)
      writer.add(rest: buckets)
    case .entries(let term, let entries, let isLast):
      writer.add(term)
      writer.add(isLast)
      for entry in entries { entry.write(to: &writer) }
    case .keep(let term, let number, let entries):
      writer.add(term)
      writer.add(number)
      for entry in entries { entry.write(to: &writer) }
    case .open(let term, let number, let entry, let isNew):
      writer.add(term)
      writer.add(number)
      writer.add(isNew)
      entry.write(to: &writer)
    case .chunk(let number, let offset, let bytes):
      writer.add(number)
      writer.add(offset)
      writer.add(rest: bytes)
    case .taken(let number, let offset):
      writer.add(number)
      writer.add(offset)
    case .kept(let number), .stop(let number): writer.add(number)
    case .refused(let number, let term, let reason):
      writer.add(number)
      writer.add(term)
      writer.add(reason.rawValue)
    case .fetch(let id), .absent(let id): for part in id.parts { writer.add(part) }
    case .begin(let term, let number, let format):
      writer.add(term)
      writer.add(number)
      writer.add(format.rawValue)
    case .whole(let number, let size):
      writer.add(number)
      writer.add(size)
    case .seal(let term, let copy, let number, let entry):
      writer.add(term)
      writer.add(copy)
      writer.add(number)
      entry.write(to: &writer)
    }
    return writer.bytes
  }

  /// Nil for what no sink of this version sends.
  init?(_ bytes: [UInt8]) {
    var reader = ByteReader(bytes)
    guard (try? reader.number(UInt8.self)) == Self.version, let message = try? Self.read(&reader), reader.left == 0
    else {
      return nil
    }
    self = message
  }

  private static func read(_ reader: inout ByteReader) throws(MalformedBytes) -> ImageMessage {
    switch try reader.number(UInt8.self) {
    case 1:
      let wantsAnswer = try reader.truth()
      return .hello(address: String(decoding: reader.rest(), as: UTF8.self), wantsAnswer: wantsAnswer)
    case 2: return .gather(term: try reader.number())
    case 3:
      let term: UInt64 = try reader.number()
      var digests: [UInt64] = []
      for _ in 0..<Catalogue.bucketCount { digests.append(try reader.number()) }
      return .summary(term: term, digests: digests)
    case 4: return .ask(term: try reader.number(), buckets: reader.rest())
    case 5:
      let term: UInt64 = try reader.number(), isLast = try reader.truth()
      return .entries(term: term, entries: try entries(&reader), isLast: isLast)
    case 6: return .keep(term: try reader.number(), number: try reader.number(), entries: try entries(&reader))
    case 7:
      let term: UInt64 = try reader.number(), number: UInt64 = try reader.number(), isNew = try reader.truth()
      return .open(term: term, number: number, entry: try ImageEntry(from: &reader), isNew: isNew)
    case 8: return .chunk(number: try reader.number(), offset: try reader.number(), bytes: reader.lastBytes())
    case 9: return .taken(number: try reader.number(), offset: try reader.number())
    case 10: return .kept(number: try reader.number())
    case 11:
      let number: UInt64 = try reader.number(), term: UInt64 = try reader.number()
      guard let reason = Refusal(rawValue: try reader.number()) else { throw MalformedBytes() }
      return .refused(number: number, term: term, reason: reason)
    case 12: return .stop(number: try reader.number())
    case 13: return .fetch(id: try ImageID(from: &reader))
    case 14: return .absent(id: try ImageID(from: &reader))
    case 15:
      let term: UInt64 = try reader.number(), number: UInt64 = try reader.number()
      guard let format = ImageFormat(rawValue: try reader.number()) else { throw MalformedBytes() }
      return .begin(term: term, number: number, format: format)
    case 16: return .whole(number: try reader.number(), size: try reader.number())
    case 17:
      let term: UInt64 = try reader.number(), copy: UInt64 = try reader.number(), number: UInt64 = try reader.number()
      return .seal(term: term, copy: copy, number: number, entry: try ImageEntry(from: &reader))
    default: throw MalformedBytes()
    }
  }

  /// A chunk of what comes next, as it is sent: put together at once, since this is where the bytes of images go.
  static func chunk(_ number: UInt64, _ offset: Int, _ cursor: inout BytesCursor, upTo limit: Int) -> [UInt8] {
    var writer = ByteWriter(reserving: chunkHead + limit)
    writer.add(version)
    writer.add(UInt8(8))
    writer.add(number)
    writer.add(UInt64(offset))
    cursor.next(limit, to: &writer)
    return writer.bytes
  }

  /// What stands before the bytes of a chunk.
  static let chunkHead = 18

  private static func entries(_ reader: inout ByteReader) throws(MalformedBytes) -> [ImageEntry] {
    var list: [ImageEntry] = []
    while reader.left > 0 { list.append(try ImageEntry(from: &reader)) }
    return list
  }
}
