import Glibc
import HostCore
import NodeValues
import Training

/// `hostctl fl partition`: cuts a data set into parts for several trainers, as .npz files.
enum PartitionCommand {
  static let words = """
    partition cuts a data set into parts for several trainers: FILE.npz, FILE.npy with --labels FILE, idx files of \
    images with --labels FILE, FILE.csv with --labels COLUMN, or a folder with a folder of pictures for each class. \
    Parts are of equal size and cut by chance, or, with --alpha, each class is shared out by a Dirichlet \
    distribution: a small alpha gives each trainer few classes. The same seed cuts the same parts.
    """
  static let options = [
    Option(long: "parts", value: "N", help: "partition: into so many"),
    Option(
      long: "alpha", value: "NUMBER", help: "partition: by Dirichlet, 0.1 for few classes each, 100 for nearly all"),
    Option(long: "seed", value: "N", help: "partition: of the cut; 1 if not given"),
    Option(long: "least", value: "N", help: "partition: no part of --alpha has fewer samples; 1 if not given"),
    Option(long: "samples", value: "NAME", help: "partition: the array of an .npz; x if not given"),
    Option(
      long: "labels", value: "NAME", help: "partition: the array, column or file of labels; y in an .npz if not given",
      completion: .file),
    Option(long: "size", value: "WxH", help: "partition: of each picture of a folder; 28x28 if not given"),
    Option(long: "colour", help: "partition: pictures keep three channels; grey if not given"),
  ]
  static let example = Named(
    "hostctl fl partition digits.npz --parts 4 --alpha 0.5", "digits-1.npz to digits-4.npz, each with other classes")

  private static let partLimit = 10_000
  private static let shownClasses = 20

  static func run(_ path: String, _ invocation: Invocation) throws(CommandFailure) {
    let parts = try number("parts", 1...partLimit, nil, invocation)
    let source = try source(path, invocation)
    let (samples, labels): (NumberArray, [Int32])
    let cut: [[UInt32]]
    do {
      (samples, labels) = try source.read()
      guard samples.shape.first == labels.count else {
        throw RoleError(.invalidArgument, "\(samples.shape.first ?? 0) samples and \(labels.count) labels", at: path)
      }
      cut = try shares(labels, parts, invocation)
    } catch let error as RoleError {
      throw CommandFailure(error.description)
    } catch let error as CommandFailure {
      throw error
    } catch { throw CommandFailure("\(error)") }
    let names = try write(cut, samples, labels, path, invocation)
    try show(zip(names, cut).map { ($0, counts($1, labels)) }, invocation)
  }

  private static func number(
    _ name: String, _ range: ClosedRange<Int>, _ standard: Int?, _ invocation: Invocation
  ) throws(CommandFailure) -> Int {
    guard let text = invocation.value(name) else {
      guard let standard else { throw CommandFailure("partition needs --\(name)", code: .usage) }
      return standard
    }
    guard let number = Int(text), range.contains(number) else {
      throw CommandFailure(
        "--\(name) is a whole number from \(range.lowerBound) to \(range.upperBound), not \"\(text)\"", code: .usage)
    }
    return number
  }

  // MARK: In

  private static func source(_ path: String, _ invocation: Invocation) throws(CommandFailure) -> DataSource {
    var settings = JSONObject([("path", .string(path))])
    let labels = invocation.value("labels")
    if System.isFolder(path) {
      let (width, height) = try size(invocation)
      settings["format"] = "folder"
      settings["colour"] = .bool(invocation.has("colour"))
      (settings["width"], settings["height"]) = (.int(Int64(width)), .int(Int64(height)))
    } else if path.hasSuffix(".npz") {
      settings["format"] = "npz"
      if let samples = invocation.value("samples") { settings["samples"] = .string(samples) }
      if let labels { settings["labels"] = .string(labels) }
    } else {
      guard let labels else {
        throw CommandFailure("\(path) has no labels in it; say with --labels where they are", code: .usage)
      }
      let isTable = path.hasSuffix(".csv")
      settings["format"] = isTable ? "csv" : path.hasSuffix(".npy") ? "npy" : "idx"
      settings[isTable ? "label" : "labels"] = .string(labels)
    }
    do { return try DataSource(json: .object(settings)) } catch { throw CommandFailure(error.description) }
  }

  private static func size(_ invocation: Invocation) throws(CommandFailure) -> (Int, Int) {
    let text = invocation.value("size") ?? "28x28"
    let sides = text.split(separator: "x", omittingEmptySubsequences: false).compactMap { Int($0) }
    guard sides.count == 2 else { throw CommandFailure("--size is such as 64x48, not \"\(text)\"", code: .usage) }
    return (sides[0], sides[1])
  }

  private static func shares(_ labels: [Int32], _ parts: Int, _ invocation: Invocation) throws -> [[UInt32]] {
    let seed = UInt64(try number("seed", 0...Int.max, 1, invocation))
    guard let text = invocation.value("alpha") else {
      return try Partition.equal(labels.count, among: parts, seed: seed)
    }
    guard let alpha = Double(text) else {
      throw CommandFailure("--alpha is a number above 0, not \"\(text)\"", code: .usage)
    }
    let least = try number("least", 0...Int.max, 1, invocation)
    return try Partition.dirichlet(labels, among: parts, alpha: alpha, least: least, seed: seed)
  }

  // MARK: Out

  /// The names of the files.
  private static func write(
    _ cut: [[UInt32]], _ samples: NumberArray, _ labels: [Int32], _ path: String, _ invocation: Invocation
  ) throws(CommandFailure) -> [String] {
    let folder = invocation.value("output") ?? "."
    if !System.isFolder(folder) { try System.makeFolder(folder) }
    let stem = stem(path)
    var names: [String] = []
    for (place, rows) in cut.enumerated() {
      let name = folder == "." ? "\(stem)-\(place + 1).npz" : "\(folder)/\(stem)-\(place + 1).npz"
      var file = NpzWriter()
      do {
        try file.add("x", samples.rows(rows))
        try file.add("y", rows.map { labels[Int($0)] })
      } catch { throw CommandFailure(name, error.description) }
      try System.writeNew(name, file.bytes)
      names.append(name)
    }
    return names
  }

  /// The file's name without what stands behind its first point.
  private static func stem(_ path: String) -> String {
    let name = path.split(separator: "/").last ?? "data"
    return String(name.prefix { $0 != "." })
  }

  private static func counts(_ rows: [UInt32], _ labels: [Int32]) -> [Int] {
    var counts = [Int](repeating: 0, count: Int(labels.max() ?? -1) + 1)
    for row in rows { counts[Int(labels[Int(row)])] += 1 }
    return counts
  }

  private static func show(_ parts: [(name: String, counts: [Int])], _ invocation: Invocation) throws(CommandFailure) {
    if invocation.has("json") {
      return try Output.json([
        "parts": .array(
          parts.map { name, counts in
            [
              "file": .string(name), "samples": .int(Int64(counts.reduce(0, +))),
              "labels": .array(counts.map { .int(Int64($0)) }),
            ]
          })
      ])
    }
    let classes = min(shownClasses, parts.first?.counts.count ?? 0)
    var table = Table(
      [.init("FILE"), .init("SAMPLES", rightAligned: true)]
        + (0..<classes).map { .init("\($0)", rightAligned: true) })
    for (name, counts) in parts {
      let cells = counts.prefix(classes).map { Table.Cell($0 == 0 ? "" : "\($0)") }
      table.add([.init(name), .init("\(counts.reduce(0, +))")] + cells)
    }
    try Output.table(table)
  }
}
