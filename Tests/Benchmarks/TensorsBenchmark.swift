import CTensors
import Glibc
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
    for place in 0..<count { (halves[place], bytes[place], places[place]) = (1, 1, 1) }
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
