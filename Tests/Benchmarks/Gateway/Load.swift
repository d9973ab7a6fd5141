import NodeKit
import ProtoFields

/// Puts a load on a gateway, or on etcd, and measures how long that takes.
@main
final class Load: Role {
  static let about = About("gateway-load", version: "1.0.0", "Registers nodes, asks, and watches.")
  static let needs: [Need] = [.rpc, .timer]
  static let methods = [
    Method("fill(target,first,count)", "Registers nodes, 64 at a time; answers with the milliseconds.", fill),
    Method("ask(target,path,message)", "One call: the milliseconds, and the answer's bytes.", ask),
    Method(
      "watch(target,path,first,skip,change_path,changes,watchers,rounds)",
      "The microseconds from asking for a change until each watcher has it.", watch),
  ]
  private static let inFlight = 64

  private let context: RoleContext
  private var measure: Measure?

  init(_ context: RoleContext, _ config: NoConfig) { self.context = context }

  private func milliseconds(since begin: Moment) -> Double {
    Double(begin.duration(to: context.now).components.attoseconds) / 1e15
      + Double(begin.duration(to: context.now).components.seconds) * 1e3
  }

  func fill(_ target: String, _ first: Int, _ count: Int, _ reply: Reply<Double>) throws {
    let begin = context.now
    var next = first, done = 0
    func register() throws {
      guard next < first + count else { return }
      let id = Int32(next)
      next += 1
      var writer = ProtoWriter()
      writer.int32(1, id)
      writer.string(2, "10.\(id >> 16).\(id >> 8 & 255).\(id & 255)")
      writer.int32(3, 5_001)
      for word in ["raft", "gossip"] { writer.element(4, word) }
      writer.pair(5, "zone", "zone-\(id % 3)")
      writer.string(100, "instance-\(id)")
      writer.bool(101, true)
      try context.rpc.call("/GatewayService/RegisterNode", at: target, writer.bytes) { [self] result in
        if case .failure(let error) = result { return reply.fail(error) }
        done += 1
        if done == count { reply.send(milliseconds(since: begin)) } else { try register() }
      }
    }
    for _ in 0..<min(count, Self.inFlight) { try register() }
  }

  func ask(_ target: String, _ path: String, _ message: [UInt8], _ reply: Reply<JSON>) throws {
    let begin = context.now
    try context.rpc.call(path, at: target, message) { [self] result in
      let answer = try result.get()
      reply.send(["ms": .double(milliseconds(since: begin)), "bytes": JSON(answer.count)])
    }
  }

  /// `changes` are asked for in turn. The first `skip` messages of each watcher are what was there before.
  func watch(
    _ target: String, _ path: String, _ first: [UInt8], _ skip: Int, _ changePath: String, _ changes: [String],
    _ watchers: Int, _ rounds: Int, _ reply: Reply<[Double]>
  ) throws {
    let measure = Measure(context, target, changePath, changes.map(Self.bytes), rounds, reply)
    self.measure = measure
    for _ in 0..<watchers { try measure.add(path, first, skip: skip) }
  }

  private static func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.utf8.map { $0 < 0x3A ? $0 - 0x30 : $0 - 0x57 }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }
}

/// One measurement: all streams hear of a change before the next one is asked for.
private final class Measure {
  private let context: RoleContext
  private let target: String, path: String, changes: [[UInt8]]
  private let rounds: Int
  private let reply: Reply<[Double]>
  private var streams: [RpcClientCall] = []
  private var ready = 0, round = 0, waiting = 0
  private var began = Moment(nanoseconds: 0)
  private var times: [Double] = []

  init(
    _ context: RoleContext, _ target: String, _ path: String, _ changes: [[UInt8]], _ rounds: Int,
    _ reply: Reply<[Double]>
  ) {
    (self.context, self.target, self.path, self.changes) = (context, target, path, changes)
    (self.rounds, self.reply) = (rounds, reply)
  }

  func add(_ path: String, _ first: [UInt8], skip: Int) throws {
    let stream = try context.rpc.open(path, at: target)
    streams.append(stream)
    var seen = 0
    stream.receive { [self] _ in
      seen += 1
      if seen == skip { try streamIsReady() } else if seen > skip { try heard() }
    }
    stream.whenEnded { [self] ending in
      if let error = ending.error, round < rounds { reply.fail(error) }
    }
    _ = try stream.send(first)
  }

  private func streamIsReady() throws {
    ready += 1
    if ready == streams.count { try next() }
  }

  private func next() throws {
    guard round < rounds else {
      for stream in streams { stream.cancel() }
      return reply.send(times)
    }
    (began, waiting) = (context.now, streams.count)
    round += 1
    try context.rpc.call(path, at: target, changes[round % changes.count]) { _ = try $0.get() }
  }

  private func heard() throws {
    times.append(Double(began.duration(to: context.now).components.attoseconds) / 1e12)
    waiting -= 1
    if waiting == 0 { try context.timer.once(after: .milliseconds(20)) { [self] in try next() } }
  }
}
