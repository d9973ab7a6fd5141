import FuzzSupport
import Glibc
import NodeKit
import Testing

@testable import Training

@Suite struct DataSetTests {
  /// Made by NumPy; see make-data.py, which says what is in which file.
  private static let folder = #filePath.split(separator: "/").dropLast().joined(separator: "/")
  private static func path(_ name: String) -> String { "/\(folder)/Data/\(name)" }
  private static let numbers = (0..<24).map { Float($0) }
  private static let labels: [Int32] = [0, 1, 2, 0, 1, 2]

  private func load(_ json: JSON) throws -> DataSet { try DataSource(json: json).load() }

  @Test(arguments: ["u1", "i1", "u2", "i2", "i4", "i8", "f4", "f8"]) func numbersOfEveryType(_ type: String) throws {
    let set = try load([
      "format": "npy", "path": .string(Self.path("\(type).npy")), "labels": .string(Self.path("labels.npy")),
      "scale": 2,
    ])
    #expect(set.shape == SampleShape(4) && set.labels == Self.labels && set.classes == 3)
    #expect(set.samples == Self.numbers.map { $0 * 2 })
  }

  @Test(arguments: [
    ("stored.npz", SampleShape(4), false), ("packed.npz", SampleShape(1, 2, 2), true),
    ("images.npz", SampleShape(1, 2, 2), false),
  ]) func archives(_ name: String, _ shape: SampleShape, _ areBytes: Bool) throws {
    let set = try load(["format": "npz", "path": .string(Self.path(name))])
    #expect(set.shape == shape && set.labels == Self.labels)
    #expect(set.samples == Self.numbers.map { areBytes ? $0 * (1 / 255) : $0 })
  }

  @Test(arguments: ["images.idx", "images.idx.gz"]) func idxFiles(_ name: String) throws {
    let set = try load([
      "format": "idx", "path": .string(Self.path(name)), "labels": .string(Self.path("labels.idx")), "scale": 1,
    ])
    #expect(set.shape == SampleShape(1, 2, 2) && set.labels == Self.labels && set.samples == Self.numbers)
  }

  @Test(arguments: [("rows.csv", "class"), ("plain.csv", "0")]) func tables(_ name: String, _ label: String) throws {
    let set = try load(["format": "csv", "path": .string(Self.path(name)), "label": .string(label)])
    #expect(set.shape == SampleShape(4) && set.labels == Self.labels && set.samples == Self.numbers)
  }

  @Test func decimalNumbersAreReadAsTheLanguageReadsThem() {
    for text in [
      "0", "-1", "+3", "3.25", ".5", "5.", "1e3", "-1.7e-5", "123456789012345", "1234567890123456789", "0.1",
      "0.30000001192092896", "3.4028235e38", "1e-45", " 7 ", "-0.000001",
    ] {
      let plain = Float(text.filter { $0 != " " })
      #expect(DecimalNumber.float(Array(text.utf8)[...])?.bitPattern == plain?.bitPattern, "\(text)")
    }
    for text in ["", " ", "-", ".", "1.2.3", "a", "1 2", "--1", "1,5"] {
      #expect(DecimalNumber.float(Array(text.utf8)[...]) == nil, "\(text)")
    }
  }

  private static let mistakes: [(JSON, String)] = [
    (["format": "npz"], "path is missing"),
    (["format": "hdf5", "path": "x"], "one of npz, npy, idx, csv, folder, synthetic"),
    (["path": "x"], "format is missing"),
    (["format": "npz", "path": "nowhere.npz"], "nowhere.npz: No such file"),
    (["format": "npz", "path": "/"], "not a file"),
    (["format": "npz", "path": "f4.npy"], "numpy.savez"),
    (["format": "npz", "path": "stored.npz", "samples": "images"], "there are x, y"),
    (["format": "npz", "path": "stored.npz", "samples": "y"], "[count, features]"),
    (["format": "npz", "path": "stored.npz", "labels": "x"], "24 labels"),
    (["format": "npz", "path": "stored.npz", "mirror": 1], "known are"),
    (["format": "npy", "path": "fortran.npy", "labels": "labels.npy"], "ascontiguousarray"),
    (["format": "npy", "path": "text.npy", "labels": "labels.npy"], "astype('float32')"),
    (["format": "npy", "path": "labels.idx", "labels": "labels.npy"], "numpy.save"),
    (["format": "npy", "path": "f4.npy", "labels": "i1.npy"], "24 labels"),
    (["format": "idx", "path": "f4.npy", "labels": "labels.idx"], "begin like an IDX"),
    (["format": "csv", "path": "rows.csv", "label": "e"], "there are a, b, c, d, class"),
    (["format": "csv", "path": "labels.idx", "label": "e"], "no row of numbers"),
    (["format": "folder", "path": "u1.npy"], "u1.npy: Not a directory"),
    (["format": "folder", "path": "./pictures/first"], "no folders"),
    (["format": "folder", "path": "./pictures", "width": 5000], "1 to 4096"),
    (["format": "folder", "path": "./pictures", "classes": ["first", "third"]], "pictures/second: `second` is none"),
    (["format": "folder", "path": "./pictures", "classes": ["first", "first"]], "each once"),
    (["format": "folder", "path": "./broken"], "broken/class/cut.png: this picture cannot be read"),
  ]

  @Test func picturesInFolders() throws {
    let path = JSON.string(Self.path("pictures"))
    let grey = try load(["format": "folder", "path": path, "width": 4])
    #expect(grey.shape == SampleShape(1, 4, 4) && grey.labels == [0, 0, 1, 1, 1])
    let means = (0..<5).map { grey.samples[$0 * 16..<$0 * 16 + 16].reduce(0, +) / 16 }
    // By name: red, wide; GREY, clear, large. Red and blue as bright as they look.
    for (mean, wanted) in zip(means, [0.49, 0.5, 0.5, 0, 0.35] as [Float]) { #expect(abs(mean - wanted) < 0.05) }
    #expect(Array(grey.samples[16..<20]) == [0, 0, 1, 1])
    let colour = try load([
      "format": "folder", "path": path, "width": 2, "height": 3, "colour": true,
      "classes": ["third", "second", "first"],
    ])
    #expect(colour.shape == SampleShape(3, 3, 2) && colour.labels == [1, 1, 1, 2, 2])
    #expect(
      Array(colour.samples[2 * 18..<3 * 18]) == [Float](repeating: 0, count: 12) + [Float](repeating: 1, count: 6))
    #expect(
      Array(colour.samples[3 * 18..<4 * 18]) == [Float](repeating: 1, count: 6) + [Float](repeating: 0, count: 12))
  }

  @Test(arguments: mistakes.indices) func aMistakeIsShown(_ index: Int) throws {
    let words = Self.mistakes[index].1
    var json = Self.mistakes[index].0
    if case .object(var object) = json {
      for key in ["path", "labels"] {
        if let name = object[key]?.string, name.contains(".") { object[key] = .string(Self.path(name)) }
      }
      json = .object(object)
    }
    let error = #expect(throws: RoleError.self) { try load(json) }
    #expect(error?.description.contains(words) == true, "\(error.map(\.description) ?? "")")
  }

  @Test func rowsThatDifferAreShownWithTheirLine() {
    for (text, place) in [("1,2\n3\n", "line 2"), ("a,b\n1,2\n3,x\n", "line 3"), ("1,2\n\n3,4,5", "line 3")] {
      let error = #expect(throws: RoleError.self) { try CsvReader(Array(text.utf8)[...]) }
      #expect(error?.place == place)
    }
  }

  /// NumPy itself writes the files anew, where it is.
  @Test func filesAreWhatNumPyWrites() throws {
    let folder = "/tmp/nodehost-data-\(getpid())"
    mkdir(folder, 0o700)
    defer { _ = system("rm -rf \(folder)") }
    let script = "/\(Self.folder)/make-data.py"
    guard system("/usr/bin/python3 -c 'import numpy, PIL' 2>/dev/null && /usr/bin/python3 \(script) \(folder)") == 0
    else {
      return
    }
    for name in ["stored.npz", "packed.npz", "images.npz"] {
      let fresh = try load(["format": "npz", "path": .string("\(folder)/\(name)")])
      let kept = try load(["format": "npz", "path": .string(Self.path(name))])
      #expect(fresh.samples == kept.samples && fresh.labels == kept.labels && fresh.shape == kept.shape)
    }
  }

  @Test func noBytesBreakTheReaders() throws { try fuzz("data", fuzzDataSets) }

  @Test func syntheticImagesAreAFunctionOfTheirSeed() throws {
    let one = SyntheticImages(seed: 1).samples(50), same = SyntheticImages(seed: 1).samples(50)
    #expect(one.samples == same.samples && one.labels == same.labels && Set(one.labels).count > 5)
    #expect(SyntheticImages(seed: 1).samples(50, stream: 1).samples != one.samples)
    #expect(SyntheticImages(seed: 2).samples(50).samples != one.samples)
    #expect(try load(["format": "synthetic", "count": 50, "seed": 1]).samples == one.samples)
  }
}
