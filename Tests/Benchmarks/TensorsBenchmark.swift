import CTensors
import Glibc
import Privacy
import SecureSum
import Tensors

/// What is done with the numbers of a model, one piece of work for each word that comes in; says how many seconds it
/// took. So the script beside it lets NumPy take turns with it.
struct TensorsBenchmark {
  static let clients = 10
  let count: Int
  private let updates: [FloatBuffer]
  private let out: FloatBuffer
  private let halves: UnsafeMutablePointer<UInt16>
  private let bytes: UnsafeMutablePointer<Int8>
  private let scales: UnsafeMutablePointer<Float>
  private let places: UnsafeMutablePointer<UInt32>
  /// Of a round of ten.
  private let masking: SecureMasking
  /// An update in int8 as it is sent, and as floats.
  private let files: (levels: [UInt8], floats: [UInt8])

  init(count: Int) {
    self.count = count
    var state: UInt32 = 1
    updates = (0..<Self.clients).map { _ in
      let buffer = FloatBuffer(count: count)
      for place in 0..<count {
        state = state &* 1_664_525 &+ 1_013_904_223
        buffer.base[place] = Float(Int32(bitPattern: state)) * 0x1p-31
      }
      return buffer
    }
    out = FloatBuffer(count: count)
    halves = .allocate(capacity: count)
    bytes = .allocate(capacity: count)
    scales = .allocate(capacity: count / 1024 + 1)
    places = .allocate(capacity: count)
    masking = Self.masking(count)
    let some = min(count, 1 << 22), layout = try! TensorLayout([("w", [some])])
    let weights = Weights(layout, FloatBuffer(UnsafeBufferPointer(start: updates[0].base, count: some)))
    let levels = try! UpdateEncoder(layout, try! UpdateForm("int8")).encode(weights, base: nil)
    files = (levels, weights.file())
    for place in 0..<count { (halves[place], bytes[place], places[place]) = (1, 1, 1) }
  }

  private static func masking(_ count: Int) -> SecureMasking {
    let plan = try! SecurePlan(
      round: "b", threshold: 6, participants: clients, count: count, range: 1, weightLimit: 1000)
    var server = SecureServer(plan)
    var trainers = (0..<clients).map { try! SecureTrainer(plan, random: [UInt8](repeating: UInt8($0), count: 32)) }
    for (index, trainer) in trainers.enumerated() { try! server.advertised("t\(index)", trainer.advert) }
    for (index, (name, roster)) in try! server.closeKeys().enumerated() {
      try! server.shared(name, try! trainers[index].share(roster))
    }
    return try! trainers[0].deliver(try! server.closeShares()[0].shares)
  }

  func run() {
    var sum = WeightedSum(count: count, weightLimit: 1000)
    let weighted = updates.indices.map { WeightedSum.Update(updates[$0].base, weight: UInt32(100 + $0)) }
    let room = UnsafeMutableRawPointer.allocate(byteCount: ct_top_room(count / 100), alignment: 64)
    while let word = readLine() {
      let begin = Measure.now()
      switch word {
      case "copy": memcpy(out.base, updates[0].base, count * 4)
      case "mean": try! sum.mean(of: weighted, into: out.base)
      case "sum":
        for update in weighted { try! sum.add([update]) }
        sum.mean(into: out.base)
        for update in weighted { sum.remove(update) }
      case "f16": ct_to_f16(updates[0].base, halves, count)
      case "from-f16": ct_from_f16(halves, out.base, count)
      case "bf16": ct_to_bf16(updates[0].base, halves, count)
      case "int8": ct_to_i8(updates[0].base, bytes, scales, 127, 0, count)
      case "qsgd": ct_to_i8(updates[0].base, bytes, scales, 127, 7, count)
      case "from-int8": ct_from_i8(bytes, scales, out.base, count)
      case "top": ct_top(updates[0].base, count, count / 100, places, out.base, room)
      case "mask": _ = try! masking.mask(updates[0].base, base: updates[1].base, weight: 100)
      case "noise":
        GaussianNoise(seed: [UInt8](repeating: 3, count: 32), deviation: 1e-3).add(to: out.base, count: count)
      case "clip": Clipping.clip(updates[2].base, base: updates[1].base, to: 1e9, count: count)
      case "zstd-int8": _ = Compression.compress(files.levels)
      case "zstd-f32": _ = Compression.compress(files.floats)
      case "median": _ = try! Robust.median(updates)
      default:
        print("there is no work `\(word)`")
        exit(64)
      }
      print((Measure.now() - begin) / 1e9)
      fflush(nil)
    }
  }
}
