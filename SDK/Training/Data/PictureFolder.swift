internal import CPictures
internal import NodeValues

/// A folder with a folder of pictures for each class. Only names that end as pictures do are read, so a list or a page
/// about them may lie beside.
struct PictureFolder: Sendable, Equatable {
  static let sides = 1...4096
  private static let endings = [".jpg", ".jpeg", ".png", ".gif", ".webp"]
  private static let pictureLimit: UInt64 = 256 << 20
  private static let countLimit = 10_000_000

  let path: String
  let width: Int, height: Int
  let isColour: Bool
  /// The folders that count, in the order of their classes; none: all of them, by name.
  let classes: [String]

  private var channels: Int { isColour ? 3 : 1 }

  func read() throws(RoleError) -> (samples: NumberArray, labels: [Int32]) {
    let size = channels * width * height
    var labels: [Int32] = [], paths: [String] = []
    for (number, name) in try numberedClasses() {
      let pictures = try entries(of: "\(path)/\(name)").filter { !$0.isFolder && Self.isPicture($0.name) }
      guard !pictures.isEmpty else {
        throw RoleError(
          .invalidArgument, "no picture; names end in \(Self.endings.joined(separator: ", "))", at: "\(path)/\(name)")
      }
      paths += pictures.map { "\(path)/\(name)/\($0.name)" }
      labels += pictures.map { _ in Int32(number) }
    }
    guard paths.count <= min(Self.countLimit, NumberArray.limit / size) else {
      throw RoleError(
        .resourceExhausted, "\(paths.count) pictures of \(size) numbers each; split the folder, or take smaller ones",
        at: path)
    }
    var numbers: [Float] = [], pixels = [UInt8](repeating: 0, count: size)
    numbers.reserveCapacity(paths.count * size)
    for path in paths {
      try fill(&pixels, path)
      for pixel in pixels { numbers.append(Float(pixel)) }
    }
    let shape = [paths.count] + (isColour ? [3] : []) + [height, width]
    return (NumberArray(shape: shape, numbers: numbers, areBytes: true), labels)
  }

  /// Those that are there. Not every trainer has pictures of every class that is listed, and a class has the same
  /// number everywhere nevertheless.
  private func numberedClasses() throws(RoleError) -> [(Int, String)] {
    let there = try entries(of: path).filter(\.isFolder).map(\.name)
    guard !there.isEmpty else {
      throw RoleError(.invalidArgument, "no folders; put the pictures of each class into one of its name", at: path)
    }
    if classes.isEmpty { return Array(there.enumerated()) }
    if let other = there.first(where: { !classes.contains($0) }) {
      throw RoleError(.invalidArgument, "`\(other)` is none of the `classes` that are listed", at: "\(path)/\(other)")
    }
    return classes.enumerated().filter { there.contains($1) }
  }

  private func fill(_ pixels: inout [UInt8], _ path: String) throws(RoleError) {
    var error = pictures_error()
    let (width, height, channels) = (UInt32(width), UInt32(height), UInt32(channels))
    let failed = try TrainingFile.withBytes(of: path, limit: Self.pictureLimit) { bytes in
      guard let start = bytes.baseAddress else { return Int32(-1) }
      return pictures_read(start, UInt64(bytes.count), width, height, channels, &pixels, &error)
    }
    guard failed == 0 else {
      throw RoleError(.invalidArgument, "this picture cannot be read: \(error.words)", at: path)
    }
  }

  private static func isPicture(_ name: String) -> Bool {
    let name = name.lowercased()
    return endings.contains { name.hasSuffix($0) }
  }

  private struct Entry { let name: String, isFolder: Bool }

  /// In the order of their names, which is the same everywhere.
  private func entries(of path: String) throws(RoleError) -> [Entry] {
    final class Found { var entries: [Entry] = [] }
    let found = Found()
    var error = pictures_error()
    let failed = pictures_list(
      path, Unmanaged.passUnretained(found).toOpaque(),
      { context, name, isFolder in
        let found = Unmanaged<Found>.fromOpaque(context!).takeUnretainedValue()
        found.entries.append(Entry(name: String(cString: name), isFolder: isFolder != 0))
      }, &error)
    guard failed == 0 else { throw RoleError(.notFound, "\(error.words); give the data set's path", at: path) }
    return found.entries.sorted { Array($0.name.utf8).lexicographicallyPrecedes(Array($1.name.utf8)) }
  }
}

extension pictures_error {
  fileprivate var words: String {
    withUnsafeBytes(of: text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}
