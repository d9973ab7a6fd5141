internal import CTrainer
internal import NodeKit
internal import Tensors
internal import TrainerWire

/// A program of the user's that trains, as a child of a job: it finds the task, the model and room for what comes of it
/// as descriptors, and says how far it is. Whatever it does is a failure of its task at worst.
struct TrainingProgram: Sendable {
  struct Result {
    var quality: ModelQuality
    var weights: [UInt8]
  }

  let words: [String]
  private static let lookMilliseconds: Int32 = 50
  private static let messageLimit = 1 << 16
  private static let outputKept = 2_000

  /// Runs it to its end, or kills it.
  func run(
    _ task: JSON, model: [UInt8], room: Int, _ thread: PoolThread, told: (JobProgress.State) -> Void
  ) throws -> Result {
    var child = try start(task, model, room), isEnded = false
    defer { if !isEnded { _ = trainer_end(&child) } }
    var messages: [UInt8] = [], printed: [UInt8] = [], last = JSON.null
    var chunk = [UInt8](repeating: 0, count: 1 << 14)
    loop: while true {
      try thread.checkCancellation()
      var count: UInt64 = 0
      switch trainer_read(&child, &chunk, UInt64(chunk.count), Self.lookMilliseconds, &count) {
      case TRAINER_QUIET: continue
      case TRAINER_OUTPUT: printed = (printed + chunk[..<Int(count)]).suffix(Self.outputKept)
      case TRAINER_MESSAGES:
        messages += chunk[..<Int(count)]
        try take(&messages, &last, told)
      default: break loop
      }
    }
    var weights = [UInt8](), answer: (ModelQuality, Int)?
    if case .object = last {
      answer = try Self.answer(last, room)
      weights = [UInt8](unsafeUninitializedCapacity: answer!.1) { room, filled in
        filled = room.baseAddress.map { Int(trainer_result(&child, $0, UInt64(room.count))) } ?? 0
      }
    }
    isEnded = true
    let code = trainer_end(&child)
    guard code == 0, let answer else { throw Self.failure(words[0], code, printed) }
    return Result(quality: answer.0, weights: weights)
  }

  private func start(_ task: JSON, _ model: [UInt8], _ room: Int) throws -> trainer_child {
    var child = trainer_child(), failed: Int32 = 0
    let text = Array(task.description.utf8), strings = words.map { Array($0.utf8CString) }
    func with(_ place: Int, _ pointers: [UnsafePointer<CChar>?]) {
      guard place < strings.count else {
        let all = pointers + [nil]
        failed = trainer_start(all, text, UInt64(text.count), model, UInt64(model.count), UInt64(room), &child)
        return
      }
      strings[place].withUnsafeBufferPointer { with(place + 1, pointers + [$0.baseAddress]) }
    }
    with(0, [])
    guard failed == 0 else {
      throw RoleError(
        .failedPrecondition,
        "the program `\(words[0])` does not start (errno \(failed)); look at the trainer's `program`")
    }
    return child
  }

  /// One JSON object a line; that with samples is the last.
  private func take(_ messages: inout [UInt8], _ last: inout JSON, _ told: (JobProgress.State) -> Void) throws {
    while let end = messages.firstIndex(of: UInt8(ascii: "\n")) {
      let line = Array(messages[..<end])
      messages.removeFirst(end + 1)
      guard !line.isEmpty else { continue }
      guard let message = try? JSON(parsing: line), message.object != nil else {
        throw RoleError(.failedPrecondition, "the program `\(words[0])` says what is no JSON object")
      }
      if message["samples"] != nil { last = message }
      if let batches = message["batches"]?.int, let of = message["of"]?.int, batches >= 0, of >= batches {
        let loss = message["loss"]?.double ?? 0
        told(.init(batches: Int(batches), of: Int(of), loss: loss.isFinite ? loss : 0))
      }
    }
    guard messages.count <= Self.messageLimit else {
      throw RoleError(
        .failedPrecondition, "the program `\(words[0])` says more than \(Self.messageLimit) bytes in a line")
    }
  }

  private static func answer(_ message: JSON, _ room: Int) throws -> (ModelQuality, Int) {
    let loss = message["loss"]?.double ?? 0, accuracy = message["accuracy"]?.double
    guard let samples = message["samples"]?.int, samples > 0, loss.isFinite,
      accuracy.map({ (0...1).contains($0) }) ?? true, let bytes = message["bytes"]?.int, bytes >= 0, bytes <= room
    else {
      throw RoleError(
        .failedPrecondition,
        "the program's answer makes no sense: \(message); it has samples above 0, a loss, perhaps an "
          + "accuracy from 0 to 1, and at most \(room) bytes of weights")
    }
    return (ModelQuality(samples: Int(samples), loss: loss, accuracy: accuracy), Int(bytes))
  }

  private static func failure(_ name: String, _ code: Int32, _ printed: [UInt8]) -> RoleError {
    let how =
      code == 0 ? "ended without an answer" : code > 128 ? "was ended by signal \(code - 128)" : "failed with \(code)"
    let words = String(decoding: printed, as: UTF8.self)
    return RoleError(.failedPrecondition, "the program `\(name)` \(how)" + (words.isEmpty ? "" : ": …\(words)"))
  }
}
