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
  case chunk(number: UInt64, offset: UInt64, bytes: [UInt8])
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
    }
  }

  var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.put(Self.version)
    writer.put(kind)
    switch self {
    case .hello(let address, let wantsAnswer):
      writer.put(UInt8(wantsAnswer ? 1 : 0))
      writer.put(address.utf8)
    case .gather(let term): writer.put(term)
    case .summary(let term, let digests):
      writer.put(term)
      for digest in digests { writer.put(digest) }
    case .ask(let term, let buckets):
      writer.put(term)
      writer.put(buckets)
    case .entries(let term, let entries, let isLast):
      writer.put(term)
      writer.put(UInt8(isLast ? 1 : 0))
      for entry in entries { entry.write(to: &writer) }
    case .keep(let term, let number, let entries):
      writer.put(term)
      writer.put(number)
      for entry in entries { entry.write(to: &writer) }
    case .open(let term, let number, let entry, let isNew):
      writer.put(term)
      writer.put(number)
      writer.put(UInt8(isNew ? 1 : 0))
      entry.write(to: &writer)
    case .chunk(let number, let offset, let bytes):
      writer.put(number)
      writer.put(offset)
      writer.put(bytes)
    case .taken(let number, let offset):
      writer.put(number)
      writer.put(offset)
    case .kept(let number), .stop(let number): writer.put(number)
    case .refused(let number, let term, let reason):
      writer.put(number)
      writer.put(term)
      writer.put(reason.rawValue)
    case .fetch(let id), .absent(let id): for part in id.parts { writer.put(part) }
    }
    return writer.bytes
  }

  /// Nil for what no sink of this version sends.
  init?(_ bytes: [UInt8]) {
    var reader = ByteReader(bytes)
    guard reader.uint8() == Self.version, let kind = reader.uint8() else { return nil }
    guard let message = Self.read(kind, &reader), reader.left == 0 else { return nil }
    self = message
  }

  private static func read(_ kind: UInt8, _ reader: inout ByteReader) -> ImageMessage? {
    switch kind {
    case 1:
      guard let flag = reader.uint8() else { return nil }
      return .hello(address: String(decoding: reader.rest(), as: UTF8.self), wantsAnswer: flag == 1)
    case 2: return reader.uint64().map { .gather(term: $0) }
    case 3:
      guard let term = reader.uint64() else { return nil }
      let digests = (0..<Catalogue.bucketCount).compactMap { _ in reader.uint64() }
      return digests.count == Catalogue.bucketCount ? .summary(term: term, digests: digests) : nil
    case 4: return reader.uint64().map { .ask(term: $0, buckets: reader.rest()) }
    case 5:
      guard let term = reader.uint64(), let isLast = reader.uint8(), let list = entries(&reader) else { return nil }
      return .entries(term: term, entries: list, isLast: isLast == 1)
    case 6:
      guard let term = reader.uint64(), let number = reader.uint64(), let list = entries(&reader) else { return nil }
      return .keep(term: term, number: number, entries: list)
    case 7:
      guard let term = reader.uint64(), let number = reader.uint64(), let isNew = reader.uint8(),
        let entry = ImageEntry(&reader)
      else { return nil }
      return .open(term: term, number: number, entry: entry, isNew: isNew == 1)
    case 8:
      guard let number = reader.uint64(), let offset = reader.uint64() else { return nil }
      return .chunk(number: number, offset: offset, bytes: reader.rest())
    case 9:
      guard let number = reader.uint64(), let offset = reader.uint64() else { return nil }
      return .taken(number: number, offset: offset)
    case 10: return reader.uint64().map { .kept(number: $0) }
    case 11:
      guard let number = reader.uint64(), let term = reader.uint64(), let reason = reader.uint8().flatMap(Refusal.init)
      else { return nil }
      return .refused(number: number, term: term, reason: reason)
    case 12: return reader.uint64().map { .stop(number: $0) }
    case 13: return id(&reader).map { .fetch(id: $0) }
    case 14: return id(&reader).map { .absent(id: $0) }
    default: return nil
    }
  }

  private static func id(_ reader: inout ByteReader) -> ImageID? {
    guard let first = reader.uint64(), let second = reader.uint64(), let third = reader.uint64(),
      let fourth = reader.uint64()
    else { return nil }
    return ImageID(first, second, third, fourth)
  }

  private static func entries(_ reader: inout ByteReader) -> [ImageEntry]? {
    var list: [ImageEntry] = []
    while reader.left > 0 {
      guard let entry = ImageEntry(&reader) else { return nil }
      list.append(entry)
    }
    return list
  }
}
