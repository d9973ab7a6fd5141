package import NodeKit
internal import Training

/// The data sets of a configuration: `{ digits: { format: npz, path: digits.npz } }`, or a list of such with an `id`.
package struct DataList: SettingValue, Sendable {
  package private(set) var entries: [DataEntry]
  private let json: JSON

  private static let limit = 64

  package static func schema() -> JSONObject { JSONObject() }
  package var setting: JSON? { json }

  package init(setting: JSON, at place: String) throws {
    json = setting
    if let members = setting.object?.members {
      entries = try members.map { try DataEntry($0.key, $0.value, at: "\(place)/\($0.key)") }
    } else if let items = setting.array {
      entries = try items.enumerated().map { try Self.listed($1, at: "\(place)/\($0)") }
    } else {
      throw RoleError(
        .invalidArgument,
        "expected data sets such as { digits: { format: npz, path: digits.npz } }, got "
          + setting.kind, at: place)
    }
    guard (1...Self.limit).contains(entries.count) else {
      throw RoleError(.invalidArgument, "\(entries.count) data sets; give 1 to \(Self.limit)", at: place)
    }
    var seen = Set<String>()
    if let twice = entries.first(where: { !seen.insert($0.id).inserted }) {
      throw RoleError(.invalidArgument, "two data sets are called `\(twice.id)`", at: place)
    }
  }

  private static func listed(_ item: JSON, at place: String) throws -> DataEntry {
    guard var object = item.object, let id = object["id"]?.string else {
      throw RoleError(
        .invalidArgument, "expected a data set such as { id: digits, format: npz, path: digits.npz }", at: place)
    }
    object["id"] = nil
    return try DataEntry(id, .object(object), at: place)
  }
}

/// One data set: where it comes from, and which part of that is this trainer's.
package struct DataEntry: Sendable {
  package let id: String
  private let source: DataSource?
  private let share: DataShare?
  /// Of one that only a program can read.
  private let program: ProgramData?
  private let json: JSON

  init(_ id: String, _ json: JSON, at place: String) throws {
    guard !id.isEmpty, id.utf8.count <= 200 else {
      throw RoleError(.invalidArgument, "the name of a data set has 1 to 200 bytes", at: place)
    }
    guard var object = json.object else {
      throw RoleError(
        .invalidArgument, "expected an object such as { format: npz, path: digits.npz }, got \(json.kind)", at: place)
    }
    self.id = id
    self.json = json
    guard object["format"] != "program" else {
      object["format"] = nil
      program = try ProgramData(setting: .object(object), at: place)
      (source, share) = (nil, nil)
      return
    }
    program = nil
    share = try object["part"].map { try DataShare(setting: $0, at: "\(place)/part") }
    try share?.check(at: "\(place)/part")
    object["part"] = nil
    source = try DataSource(json: .object(object), at: place)
  }

  /// Takes its time: for threads of the pool.
  func load(heldOut: Double, isProgram: Bool) throws -> TrainerData {
    guard let source else {
      return .outside(samples: program?.samples ?? 0, labels: program?.labels.map { UInt64($0) } ?? [], json)
    }
    let all = try source.load()
    let own = try share.map { try $0.cut(all) } ?? all
    let loaded = try LoadedData(own, heldOut: heldOut)
    return isProgram ? .outside(samples: loaded.training.count, labels: loaded.labels, json) : .here(loaded)
  }
}

/// A data set that only a program can read: how much it is, and whatever the program has to know of it.
struct ProgramData: RoleConfig, @unchecked Sendable {
  @Setting("How many samples are trained on.", in: 1...1_000_000_000_000) var samples: Int
  @Setting("How often each label occurs, if that may be known.", count: 0...10_000) var labels: [UInt32] = []
  @Setting("For the program.") var settings: JSON = .null
  init() {}
}

/// Which part of a data set a trainer has, where several share one file: `{ number: 2, of: 4 }`. The same seed cuts the
/// same parts, so that no sample is in two of them.
struct DataShare: RoleConfig, @unchecked Sendable {
  @Setting("Which one, from 1 on.", in: 1...1_048_576) var number: Int
  @Setting("How many there are.", in: 1...1_048_576) var of: Int
  @Setting("Of the cut.", in: 0...Int.max) var seed = 1
  @Setting("Cuts by Dirichlet: a small alpha gives each few classes. Equal parts if left out.", in: 1e-6...1e6)
  var alpha: Double?
  init() {}

  func check(at place: String) throws {
    guard number <= of else {
      throw RoleError(.invalidArgument, "part \(number) of \(of); parts are counted from 1 to \(of)", at: place)
    }
  }

  func cut(_ data: DataSet) throws -> DataSet {
    let parts =
      if let alpha {
        try Partition.dirichlet(data.labels, among: of, alpha: alpha, seed: UInt64(seed))
      } else {
        try Partition.equal(data.count, among: of, seed: UInt64(seed))
      }
    return try data.chosen(parts[number - 1])
  }
}
