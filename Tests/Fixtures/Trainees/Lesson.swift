import NodeKit
import TrainerWire

/// One call of the server: the task, the model, and after a while the update.
final class Lesson {
  private static let pieceBytes = 64 << 10

  private let role: Trainees
  private let call: RpcServerCall
  private var task: TrainingTask?
  private var file: [UInt8] = []
  private var pieces: [[UInt8]] = []
  private var isOver = false

  init(_ role: Trainees, _ call: RpcServerCall) { (self.role, self.call) = (role, call) }

  func begin() {
    call.whenEnded { [self] _ in isOver = true }
    call.receive { [self] in try take($0) }
  }

  private func take(_ message: [UInt8]) throws {
    switch try TrainingRequest(message) {
    case .task(let task):
      self.task = task
      file.reserveCapacity(Int(task.size))
    case .piece(let piece): file += piece
    }
    guard let task, file.count >= Int(task.size) else { return }
    try train(task)
  }

  private func train(_ task: TrainingTask) throws {
    guard file.count == Int(task.size), var ledger = Ledger(file) else { return fail("the model is damaged") }
    role.look(at: ledger, task.version)
    let mood = role.context.random.fraction()
    if mood < role.config.silent { return }
    if mood < role.config.silent + role.config.errors { return fail("it did not feel like it") }
    if role.config.makesNoise {
      ledger.add(noiseOf: task.seed)
    } else if !ledger.count(task.ticket) {
      return fail("the ledger has no room for ticket \(task.ticket)")
    }
    let update = ledger.file
    let pause = Duration.milliseconds(role.context.random.int(in: 1...max(1, role.config.slowestMs)))
    try role.context.timer.once(after: pause) { [self] in if !isOver { try answer(update) } }
  }

  private func fail(_ words: String) {
    isOver = true
    try? call.fail(RoleError(.unavailable, words))
  }

  private func answer(_ update: [UInt8]) throws {
    let head = TrainingAnswer.update(ModelQuality(samples: 8, loss: 0.5), size: UInt64(update.count), seconds: 1)
    pieces = [head.bytes]
    for start in stride(from: 0, to: update.count, by: Self.pieceBytes) {
      pieces.append(TrainingAnswer.piece(update[start..<min(start + Self.pieceBytes, update.count)]).bytes)
    }
    pieces.reverse()
    try send()
  }

  private func send() throws {
    while !isOver, let piece = pieces.last {
      guard try call.send(piece) else { return call.whenWritable { [self] in try send() } }
      pieces.removeLast()
    }
    guard !isOver else { return }
    isOver = true
    try call.finish()
  }
}
