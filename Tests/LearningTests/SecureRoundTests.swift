import NodeKit
import NodeTesting
import SecureSum
import Tensors
import Testing
import TrainerWire

@testable import LearningCore

/// Asks and keeps, for a round.
private final class SecureBench: Role {
  static let about = About("bench", version: "0.0.0", "Lends its context.")
  static let needs: [Need] = [.blob, .work, .rpc]
  let context: RoleContext
  init(_ context: RoleContext, _ config: NoConfig) { self.context = context }
  func start() {}
}

/// Rounds with trainers that are played here, over a fake host's gRPC and disk.
@Suite struct SecureRoundTests {
  private static let layout = try! TensorLayout([("w", [50, 77]), ("b", [50])])
  private static let count = layout.count

  /// What a played trainer does wrong.
  private enum Fault { case silentAtOnce, silentAtShares, wrongShares, tooShort, silentAtTheEnd }

  private final class Cast {
    var trainers: [String: SecureTrainer] = [:]
    var maskings: [String: SecureMasking] = [:]
    var updates: [String: (weights: Weights, samples: Int)] = [:]
    var faults: [String: Fault] = [:]
    /// Calls whose models are still on their way.
    private var training: [(name: String, call: RecordedRpc)] = []
    let base: Weights
    init(base: Weights) { self.base = base }

    func play(_ call: RecordedRpc) {
      let name = String(call.target.dropFirst(7))
      do {
        if call.path == TrainerMethod.secure { return try answer(name, SecureRequest(call.messages[0]), call) }
        training.append((name, call))
      } catch { call.end(RoleError(error)) }
    }

    func trainThoseWhoHaveAll() throws {
      let ready = training.filter(\.call.hasFinished)
      training.removeAll(where: \.call.hasFinished)
      for (name, call) in ready { try train(name, call) }
    }

    private func answer(_ name: String, _ request: SecureRequest, _ call: RecordedRpc) throws {
      switch (request, faults[name]) {
      case (.begin, .silentAtOnce?), (.roster, .silentAtShares?), (.unmask, .silentAtTheEnd?): return
      case (.begin(let plan), _):
        let trainer = try SecureTrainer(plan, random: Array((name + String(repeating: "x", count: 32)).utf8))
        trainers[name] = trainer
        call.answer(SecureAnswer.keys(trainer.advert).bytes)
      case (.roster, .wrongShares?): call.answer(SecureAnswer.shares([]).bytes)
      case (.roster(_, let roster), _): call.answer(SecureAnswer.shares(try trainers[name]!.share(roster)).bytes)
      case (.deliver(_, let shares), _):
        maskings[name] = try trainers[name]!.deliver(shares)
        call.answer(SecureAnswer.ready.bytes)
      case (.unmask(_, let unmask), _): call.answer(SecureAnswer.revealed(try trainers[name]!.reveal(unmask)).bytes)
      }
    }

    private func train(_ name: String, _ call: RecordedRpc) throws {
      guard case .task(let task) = try TrainingRequest(call.messages[0]) else { return }
      #expect(task.secureRound == trainers[name]!.plan.round)
      let (weights, samples) = updates[name]!
      var bytes = try maskings[name]!.mask(weights.buffer.base, base: base.buffer.base, weight: samples).bytes
      if faults[name] == .tooShort { bytes.removeLast(4) }
      let quality = ModelQuality(samples: samples)
      call.send(TrainingAnswer.update(quality, size: UInt64(bytes.count), seconds: 1).bytes)
      for start in stride(from: 0, to: bytes.count, by: 5000) {
        call.send(TrainingAnswer.piece(bytes[start..<min(start + 5000, bytes.count)]).bytes)
      }
      call.end()
    }
  }

  private static func weights(_ seed: UInt64) -> Weights {
    var dice = Dice(seed: seed, round: 0)
    return Weights(layout, FloatBuffer((0..<count).map { _ in Float(dice.unit() - 0.5) }))
  }

  private let host: FakeHost
  private let cast = Cast(base: weights(99))
  private let base: ModelFile

  init() throws {
    host = try FakeHost(SecureBench.self)
    try host.start()
    let bytes = cast.base.file()
    base = ModelFile(object: host.blobs.add(bytes), start: bytes.count - 4 * Self.count, count: Self.count)
    for index in 0..<5 as Range<UInt64> {
      cast.updates["t\(index)"] = (Self.weights(index), 10 + 20 * Int(index))
    }
    host.whenRpcCalled = { [cast] in cast.play($0) }
  }

  private struct Course {
    var failed: [String: RoleError] = [:]
    var stored: [String: ModelFile] = [:]
    var opened: Result<SecureRound.Opened, RoleError>?
  }

  private func play(_ faults: [String: Fault] = [:]) throws -> Course {
    cast.faults = faults
    let context = try #require(host.role(as: SecureBench.self)).context
    var document = SessionDocument()
    document.sessionConfig.secureAggregation = true
    let plan = try document.securePlan(round: "s/1", participants: 5, count: Self.count, most: 90)
    #expect(plan.threshold == 3)
    let members = (0..<5).map { index in
      let ticket = Ticket(number: UInt64(index + 1), trainer: "t\(index)", version: 0, deadline: .max)
      return SecureRound.Member(ticket: ticket, target: "http://t\(index)")
    }
    final class Box {
      var course = Course()
      var calls: [() -> TrainerCall?] = []
    }
    let box = Box(), round = SecureRound(context, plan, members, timeout: .seconds(5))
    round.failed = { box.course.failed[$0.trainer] = $1 }
    round.train = { [unowned round] ticket in
      var task = TrainingTask()
      (task.ticket, task.secureRound) = (ticket.number, plan.round)
      let work = TrainerCall.Work(
        task: task, model: base, feed: ModelFeed(context.blobs, base.object), layout: Self.layout, form: .plain,
        masked: plan.bytes, name: "u\(ticket.number)", timeout: .seconds(60))
      let call = TrainerCall(context, work) { result in
        do {
          box.course.stored[ticket.trainer] = try result.get().file
          try round.stored(ticket.trainer)
        } catch { box.course.failed[ticket.trainer] = RoleError(error) }
      }
      box.calls.append { [weak call] in call }
      call.begin(at: "http://\(ticket.trainer)")
    }
    round.begin()
    for _ in 0..<200 {
      host.clock.advance(by: .milliseconds(100))
      try cast.trainThoseWhoHaveAll()
    }
    round.open(box.course.stored, base: base, name: "sum") { box.course.opened = $0 }
    for _ in 0..<200 where box.course.opened == nil { host.clock.advance(by: .milliseconds(100)) }
    #expect(host.misuse.isEmpty)
    // Nothing of a call that is over stays in memory.
    #expect(box.calls.allSatisfy { $0() == nil })
    return box.course
  }

  private func expectMean(_ course: Course, of members: [Int]) throws {
    let opened = try #require(course.opened).get()
    #expect(opened.survivors == members.map { "t\($0)" })
    #expect(opened.weight == members.reduce(0) { $0 + 10 + 20 * $1 })
    let bytes = try #require(host.blobs.objects[opened.file.object]).bytes
    let mean = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    #expect(mean.count == Self.count)
    for place in 0..<Self.count {
      let exact = members.reduce(0.0) {
        $0 + Double(cast.updates["t\($1)"]!.weights.buffer[place]) * Double(10 + 20 * $1)
      }
      #expect(abs(Double(mean[place]) - exact / Double(opened.weight)) < 1e-6)
    }
  }

  @Test func theSumIsOpenedAndNothingElse() throws {
    let course = try play()
    #expect(course.failed.isEmpty)
    try expectMean(course, of: [0, 1, 2, 3, 4])
    // What lies on the disk of a trainer's is not its numbers.
    let masked = try #require(host.blobs.objects[course.stored["t1"]!.object]).bytes
    let small = masked.withUnsafeBytes { $0.bindMemory(to: Int32.self).count { abs(Int64($0)) < 1 << 28 } }
    #expect(small < Self.count / 4)
  }

  @Test func whoeverGoesIsLeftOut() throws {
    let course = try play(["t0": .silentAtOnce, "t3": .tooShort])
    #expect(course.failed["t0"]?.status == .deadlineExceeded)
    #expect(course.failed["t3"]?.message.contains("were agreed on") == true)
    try expectMean(course, of: [1, 2, 4])
    let other = try play(["t1": .silentAtShares, "t2": .silentAtTheEnd])
    try expectMean(other, of: [0, 2, 3, 4])
  }

  @Test func sharesThatAreMissingCostThePlace() throws {
    let course = try play(["t1": .wrongShares])
    #expect(course.failed["t1"]?.message.contains("not one for each other place") == true)
    try expectMean(course, of: [0, 2, 3, 4])
  }

  @Test func tooFewShowNothing() throws {
    let early = try play(["t0": .silentAtOnce, "t1": .silentAtOnce, "t2": .silentAtOnce])
    #expect(early.failed.count == 5 && early.stored.isEmpty)
    #expect(throws: RoleError.self) { try #require(early.opened).get() }
    let late = try play(["t0": .silentAtTheEnd, "t1": .silentAtTheEnd, "t2": .silentAtTheEnd])
    #expect(late.stored.count == 5)
    #expect(throws: RoleError.self) { try #require(late.opened).get() }
  }

  @Test func documentsThatDoNotFit() throws {
    func check(_ change: (inout SessionDocument) -> Void) throws {
      var document = SessionDocument()
      document.sessionConfig.secureAggregation = true
      change(&document)
      try document.checkSecure()
    }
    try check { $0.sessionConfig.aggregator = "fedyogi" }
    #expect(throws: RoleError.self) { try check { $0.sessionConfig.aggregator = "median" } }
    #expect(throws: RoleError.self) { try check { $0.sessionConfig.updateForm = "int8" } }
  }
}
