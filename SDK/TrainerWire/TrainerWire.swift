public import NodeKit
internal import ProtoFields

// The messages of trainer.proto, for servers and trainers alike.

public enum TrainerMethod {
  public static let describe = "/nodehost.learning.Trainer/Describe"
  public static let train = "/nodehost.learning.Trainer/Train"
  public static let validate = "/nodehost.learning.Trainer/Validate"
  /// Between trainers; its messages are those of the role trainer.
  public static let exchange = "/nodehost.learning.Trainer/Exchange"
  /// Its messages are those of the module SecureSum.
  public static let secure = "/nodehost.learning.Trainer/Secure"
}

/// What a trainer says of itself.
public struct TrainerDescription: Sendable, Equatable {
  public struct DataSet: Sendable, Equatable {
    public var id: String
    public var samples: Int
    /// How often each label occurs; empty if that is not told.
    public var labels: [UInt64]

    public init(id: String, samples: Int, labels: [UInt64] = []) {
      (self.id, self.samples, self.labels) = (id, samples, labels)
    }
  }

  public var name = ""
  public var hardware = ""
  public var dataSets: [DataSet] = []
  public var models: [String] = []
  public var forms: [String] = []
  public var capabilities: [String] = []

  /// Of each list; a trainer that says more says nonsense.
  static let listLimit = 10_000

  public init() {}

  public var bytes: [UInt8] {
    var writer = ProtoWriter()
    writer.string(1, name)
    writer.string(2, hardware)
    for dataSet in dataSets {
      writer.message(3) { part in
        part.string(1, dataSet.id)
        part.uint64(2, UInt64(max(0, dataSet.samples)))
        part.ints(3, dataSet.labels)
      }
    }
    for model in models { writer.element(4, model) }
    for form in forms { writer.element(5, form) }
    for capability in capabilities { writer.element(6, capability) }
    return writer.bytes
  }

  public init(_ bytes: [UInt8]) throws(RoleError) {
    var reader = ProtoReader(bytes)
    while try reader.next() {
      switch reader.field {
      case 1: name = try reader.string()
      case 2: hardware = try reader.string()
      case 3: dataSets.append(try Self.dataSet(reader.message()))
      case 4: models.append(try reader.string())
      case 5: forms.append(try reader.string())
      case 6: capabilities.append(try reader.string())
      default: break
      }
      guard max(dataSets.count, models.count, forms.count, capabilities.count) <= Self.listLimit else {
        throw reader.fault("a list of more than \(Self.listLimit)")
      }
    }
  }

  private static func dataSet(_ message: ProtoReader) throws(RoleError) -> DataSet {
    var message = message, dataSet = DataSet(id: "", samples: 0)
    while try message.next() {
      switch message.field {
      case 1: dataSet.id = try message.string()
      case 2: dataSet.samples = Int(clamping: try message.uint64())
      case 3: try message.ints(into: &dataSet.labels, limit: listLimit)
      default: break
      }
    }
    return dataSet
  }
}

/// What is to be trained, or tried.
public struct TrainingTask: Sendable, Equatable {
  public var session = ""
  public var ticket: UInt64 = 0
  public var version: UInt64 = 0
  /// The settings of the training, JSON.
  public var training = ""
  /// The model's description, JSON.
  public var model = ""
  public var form = ""
  /// Of the model's file.
  public var size: UInt64 = 0
  public var sha256 = ""
  public var seed: UInt64 = 0
  /// No more than so many; 0 is no limit. To learn how fast a trainer is.
  public var batches: UInt64 = 0
  /// The round of a secure sum: the update then is the difference to the model, masked. Empty: it is none's.
  public var secureRound = ""
  /// Of the model, as ``ModelTree`` makes it. Empty: nobody has made it, and `sha256` is compared.
  public var tree = ""

  public init() {}

  /// By which a model is known that was compared with it.
  public var digest: String { tree.isEmpty ? sha256 : "tree \(tree)" }

  fileprivate func write(to writer: inout ProtoWriter) {
    writer.string(1, session)
    writer.uint64(2, ticket)
    writer.uint64(3, version)
    writer.string(4, training)
    writer.string(5, model)
    writer.string(6, form)
    writer.uint64(7, size)
    writer.string(8, sha256)
    writer.uint64(9, seed)
    writer.uint64(10, batches)
    writer.string(11, secureRound)
    writer.string(12, tree)
  }

  fileprivate init(_ message: ProtoReader) throws(RoleError) {
    var message = message
    while try message.next() {
      switch message.field {
      case 1: session = try message.string()
      case 2: ticket = try message.uint64()
      case 3: version = try message.uint64()
      case 4: training = try message.string()
      case 5: model = try message.string()
      case 6: form = try message.string()
      case 7: size = try message.uint64()
      case 8: sha256 = try message.string()
      case 9: seed = try message.uint64()
      case 10: batches = try message.uint64()
      case 11: secureRound = try message.string()
      case 12: tree = try message.string()
      default: break
      }
    }
  }
}

/// A message to a trainer.
public enum TrainingRequest: Sendable, Equatable {
  case task(TrainingTask)
  case piece(ArraySlice<UInt8>)

  public var bytes: [UInt8] {
    switch self {
    case .task(let task):
      var writer = ProtoWriter()
      writer.message(1) { task.write(to: &$0) }
      return writer.bytes
    case .piece(let piece): return Self.piece(piece, field: 2)
    }
  }

  /// A piece that is not held as a value before.
  public static func message(of piece: UnsafeRawBufferPointer) -> [UInt8] { Self.piece(piece, field: 2) }

  static func piece(_ piece: some Collection<UInt8>, field: Int) -> [UInt8] {
    var writer = ProtoWriter(reserving: piece.count + 8)
    // An empty one is a piece, too.
    if piece.isEmpty { writer.message(field) { _ in } } else { writer.data(field, piece) }
    return writer.bytes
  }

  public init(_ bytes: [UInt8]) throws(RoleError) {
    var reader = ProtoReader(bytes), found: TrainingRequest?
    while try reader.next() {
      switch reader.field {
      case 1: found = .task(try TrainingTask(reader.message()))
      case 2: found = .piece(try reader.slice())
      default: break
      }
    }
    guard let found else { throw RoleError(.invalidArgument, "a message has neither a task nor a piece of a model") }
    self = found
  }
}

/// How good a model is somewhere.
public struct ModelQuality: Sendable, Equatable {
  public var samples = 0
  public var loss = 0.0
  /// Nil: there is nothing to be right about.
  public var accuracy: Double?

  public init(samples: Int = 0, loss: Double = 0, accuracy: Double? = nil) {
    (self.samples, self.loss, self.accuracy) = (samples, loss, accuracy)
  }

  public var bytes: [UInt8] {
    var writer = ProtoWriter()
    write(to: &writer)
    return writer.bytes
  }

  fileprivate func write(to writer: inout ProtoWriter) {
    writer.uint64(1, UInt64(max(0, samples)))
    writer.double(2, loss)
    writer.double(3, accuracy ?? -1)
  }

  public init(_ bytes: [UInt8]) throws(RoleError) { try self.init(ProtoReader(bytes)) }

  fileprivate init(_ message: ProtoReader) throws(RoleError) {
    var message = message, share = 0.0
    while try message.next() {
      switch message.field {
      case 1: samples = Int(clamping: try message.uint64())
      case 2: loss = try message.double()
      case 3: share = try message.double()
      default: break
      }
    }
    guard loss.isFinite, share <= 1 else {
      throw message.fault("a loss of \(loss) and an accuracy of \(share): the training has gone wrong")
    }
    accuracy = share < 0 ? nil : share
  }
}

/// A message of a trainer.
public enum TrainingAnswer: Sendable, Equatable {
  case progress(batches: UInt64, of: UInt64, loss: Double)
  case update(ModelQuality, size: UInt64, seconds: Double)
  case piece(ArraySlice<UInt8>)
  /// The trainer has the model: no more of its pieces need come.
  case have

  public var bytes: [UInt8] {
    var writer = ProtoWriter()
    switch self {
    case .progress(let batches, let all, let loss):
      writer.message(1) { part in
        part.uint64(1, batches)
        part.uint64(2, all)
        part.double(3, loss)
      }
    case .update(let quality, let size, let seconds):
      writer.message(2) { part in
        part.message(1) { quality.write(to: &$0) }
        part.uint64(2, size)
        part.double(3, seconds)
      }
    case .piece(let piece): return TrainingRequest.piece(piece, field: 3)
    case .have: writer.message(4) { _ in }
    }
    return writer.bytes
  }

  /// A piece that is not held as a value before.
  public static func message(of piece: UnsafeRawBufferPointer) -> [UInt8] { TrainingRequest.piece(piece, field: 3) }

  public init(_ bytes: [UInt8]) throws(RoleError) {
    var reader = ProtoReader(bytes), found: TrainingAnswer?
    while try reader.next() {
      switch reader.field {
      case 1: found = try Self.progress(reader.message())
      case 2: found = try Self.update(reader.message())
      case 3: found = .piece(try reader.slice())
      case 4: found = .have
      default: break
      }
    }
    guard let found else { throw RoleError(.invalidArgument, "a message has neither progress nor an update") }
    self = found
  }

  private static func progress(_ message: ProtoReader) throws(RoleError) -> TrainingAnswer {
    var message = message, batches: UInt64 = 0, all: UInt64 = 0, loss = 0.0
    while try message.next() {
      switch message.field {
      case 1: batches = try message.uint64()
      case 2: all = try message.uint64()
      case 3: loss = try message.double()
      default: break
      }
    }
    return .progress(batches: batches, of: all, loss: loss)
  }

  private static func update(_ message: ProtoReader) throws(RoleError) -> TrainingAnswer {
    var message = message, quality = ModelQuality(), size: UInt64 = 0, seconds = 0.0
    while try message.next() {
      switch message.field {
      case 1: quality = try ModelQuality(message.message())
      case 2: size = try message.uint64()
      case 3: seconds = try message.double()
      default: break
      }
    }
    return .update(quality, size: size, seconds: seconds)
  }
}
