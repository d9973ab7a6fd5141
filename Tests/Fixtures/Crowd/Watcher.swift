import NodeKit
import ProtoFields

/// Follows the registry, goes from gateway to gateway, and checks that nothing is left out, told twice or taken back.
final class Watcher {
  private unowned let crowd: Crowd
  private var gateway: Int
  private var stream: RpcClientCall?
  private var registry: UInt64 = 0
  private var revision: UInt64 = 0
  private(set) var term: UInt64 = 0
  /// The nodes by id, with the revision of their last change.
  private var nodes: [Int32: UInt64] = [:]
  private var isBeginning = false
  private var isBroken = false
  private var number = 0

  private struct Event {
    var kind: Int32 = 0
    var revision: UInt64 = 0
    var id: Int32 = 0
    var term: UInt64 = 0
    var registry: UInt64 = 0

    init(_ bytes: [UInt8]) throws {
      var reader = ProtoReader(bytes)
      while try reader.next() {
        switch reader.field {
        case 1: kind = try reader.int32()
        case 2: revision = try reader.uint64()
        case 3:
          var node = try reader.message()
          while try node.next() { if node.field == 1 { id = try node.int32() } }
        case 6: term = try reader.uint64()
        case 7: registry = try reader.fixed64()
        default: break
        }
      }
    }
  }

  init(_ crowd: Crowd) {
    self.crowd = crowd
    gateway = crowd.context.random.int(in: 0...100)
  }

  func rest() { crowd.after(400) { [self] in watch() } }

  private func watch() {
    guard !isBroken else { return }
    gateway += 1
    number += 1
    let mine = number, target = crowd.config.gateways[gateway % crowd.config.gateways.count]
    var writer = ProtoWriter()
    writer.uint64(1, revision)
    writer.fixed64(4, registry)
    do {
      let stream = try crowd.context.rpc.open(
        "/GatewayService/Watch", at: target, RpcOptions(timeout: .seconds(60)))
      self.stream = stream
      isBeginning = false
      stream.receive { [self] in if number == mine { told(try Event($0)) } }
      stream.whenEnded { [self] _ in if number == mine { rest() } }
      guard try stream.send(writer.bytes) else { return rest() }
      try stream.finish()
      // It goes, and goes on with another.
      crowd.after(8_000) { [self] in if number == mine { stream.cancel() } }
    } catch { rest() }
  }

  private func complain(_ words: String) {
    isBroken = true
    crowd.complain("watcher at revision \(revision): \(words)")
  }

  private func told(_ event: Event) {
    guard !isBroken else { return }
    if event.kind == 0 {
      crowd.count("resets")
      if event.registry == registry || registry == 0, event.revision < revision {
        return complain("the registry begins anew at revision \(event.revision)")
      }
      if event.registry != registry { term = 0 }
      (isBeginning, registry, revision, nodes) = (true, event.registry, event.revision, [:])
    } else if isBeginning {
      present(event)
    } else if event.kind == 2 {
      crowd.count("synced")
      registry = event.registry
      if event.revision != revision { complain("all up to \(event.revision) is said to have been told") }
    } else {
      changed(event)
    }
  }

  private func present(_ event: Event) {
    guard event.revision == revision else { return complain("\(event.revision) within one moment") }
    switch event.kind {
    case 1: nodes[event.id] = event.revision
    case 6: lead(event)
    default: isBeginning = false
    }
  }

  private func changed(_ event: Event) {
    crowd.count("changes")
    guard event.revision == revision + 1 else { return complain("the next one is \(event.revision)") }
    revision = event.revision
    switch event.kind {
    case 3:
      if nodes.updateValue(revision, forKey: event.id) != nil { complain("node \(event.id) joins, and was there") }
    case 4:
      if nodes.updateValue(revision, forKey: event.id) == nil {
        complain("node \(event.id) changes, and was not there")
      }
    case 5: if nodes.removeValue(forKey: event.id) == nil { complain("node \(event.id) leaves, and was not there") }
    default: lead(event)
    }
  }

  private func lead(_ event: Event) {
    if event.term < term { complain("the leader's term falls from \(term) to \(event.term)") }
    term = event.term
  }
}
