package import NodeValues

/// Where a client's samples come from, as its configuration says:
///
///     { format: npz, path: digits.npz, samples: x, labels: y }
///     { format: npy, path: images.npy, labels: classes.npy }
///     { format: idx, path: train-images-idx3-ubyte.gz, labels: train-labels-idx1-ubyte.gz }
///     { format: csv, path: flowers.csv, label: species }
///     { format: folder, path: flowers, width: 64, height: 64, colour: true, classes: [rose, tulip] }
///     { format: synthetic, count: 1000, classes: 10, seed: 1 }
///
/// Pixels of one byte are divided by 255; `scale` says by what else numbers are multiplied.
package struct DataSource: Sendable, Equatable {
  package enum Format: String, Sendable, CaseIterable { case npz, npy, idx, csv, folder, synthetic }

  package let format: Format
  private var path = ""
  /// Names of arrays, the labels' path, or the labels' column.
  private var samples = "", labels = ""
  private var pictures: PictureFolder?
  private var scale: Float?
  private var count = 0, classes = 0, seed = 0, stream = 0
  private var noise: Float = 0

  /// A file is read into memory as a whole.
  private static let fileLimit: UInt64 = 8 << 30

  package init(json: JSON, at place: String = "") throws(RoleError) {
    var fields = try ModelFields(json, at: place, "an object such as { format: npz, path: digits.npz }")
    _ = try fields.required("format", "format: npz")
    fields = try ModelFields(json, at: place, "an object")
    format = try fields.choice("format", Format.npz)
    if format == .synthetic {
      count = try fields.number("count", 1...1_000_000, 1_000)
      classes = try fields.number("classes", 1...1_000, 10)
      seed = try fields.number("seed", 0...Int.max, 0)
      stream = try fields.number("stream", 0...Int.max, 0)
      noise = try fields.fraction("noise", 0.5, 0...100)
    } else {
      path = try fields.text("path", nil)
      switch format {
      case .npz:
        samples = try fields.text("samples", "x")
        labels = try fields.text("labels", "y")
      case .csv: labels = try fields.text("label", nil)
      case .folder:
        let width = try fields.number("width", PictureFolder.sides, 28)
        pictures = PictureFolder(
          path: path, width: width, height: try fields.number("height", PictureFolder.sides, width),
          isColour: try fields.truth("colour", false), classes: try fields.texts("classes"))
      default: labels = try fields.text("labels", nil)
      }
      scale = try fields.optionalNumber("scale")
    }
    try fields.end()
  }

  /// Reads and checks all of it. It blocks and takes its time: for threads of the pool.
  package func load() throws(RoleError) -> DataSet {
    let (array, classes) = try read()
    do { return try array.dataSet(classes, scale: scale) } catch {
      throw RoleError(error.status, error.message, at: path)
    }
  }

  /// The numbers as the file has them, and the class of each sample.
  package func read() throws(RoleError) -> (samples: NumberArray, labels: [Int32]) {
    switch format {
    case .synthetic:
      let images = SyntheticImages(classes: classes, seed: UInt64(seed))
      let set = images.samples(count, stream: UInt64(stream), noise: noise)
      let side = SyntheticImages.side
      return (NumberArray(shape: [set.count, side, side], numbers: set.samples, areBytes: false), set.labels)
    case .npz:
      return try read(path) { bytes throws(RoleError) in
        let file = try NpzReader(bytes)
        return (try file.array(samples), try file.array(labels).labels())
      }
    case .npy:
      return try pair { bytes throws(RoleError) in try NumberArray(npy: bytes) }
    case .idx:
      return try pair { bytes throws(RoleError) in try NumberArray(idx: bytes) }
    case .folder: return try pictures!.read()
    case .csv:
      return try read(path) { bytes throws(RoleError) in try CsvReader(bytes).table(label: labels) }
    }
  }

  /// Samples and labels in two files.
  private func pair(
    _ array: (ArraySlice<UInt8>) throws(RoleError) -> NumberArray
  ) throws(RoleError) -> (NumberArray, [Int32]) {
    let classes = try read(labels) { bytes throws(RoleError) in try array(bytes).labels() }
    return (try read(path) { bytes throws(RoleError) in try array(bytes) }, classes)
  }

  /// Errors get the file's path as their place.
  private func read<Answer>(
    _ path: String, _ body: (ArraySlice<UInt8>) throws(RoleError) -> Answer
  ) throws(RoleError) -> Answer {
    let content = try TrainingFile.withBytes(of: path, limit: Self.fileLimit) { Array($0) }
    do { return try body(content[...]) } catch {
      throw RoleError(error.status, error.message, at: error.place.isEmpty ? path : "\(path): \(error.place)")
    }
  }
}
