import CNodeABI
import Glibc
import HostCore
@testable import HostRuntime
import NodeValues
import Testing

/// Messages between nodes, on real sockets with real TLS.
@Suite struct PeersTests {
  @Test(arguments: [true, false]) func messagesGoBothWays(ownLoop: Bool) throws {
    let nodes = LinkedNodes([1, 2], ownLoop: ownLoop)
    nodes.linked((1, 2))
    #expect(try nodes.send(1, 2, "to two") == .value(.int(0)))
    #expect(try nodes.send(2, 1, "to one", role: "mail") == .value(.int(0)))
    nodes.awaits(2, "messages", 1)
    nodes.awaits(1, "messages", 1)
    #expect(try nodes.seenText(2, "text") == "to two" && nodes.seenText(2, "from") == "mail")
    #expect(try nodes.seenText(1, "text") == "to one")
    #expect(try nodes.seen(1, "ups") == 1)
    let peer = try #require(nodes.peer(1, 2))
    #expect(peer.name == "node-2" && peer.state == "up" && peer.roundTripMicroseconds != nil && peer.links == 1)
    #expect(peer.messagesSent == 1 && peer.messagesReceived == 1 && peer.bytesQueued == 0, "\(peer)")
  }

  @Test(arguments: [true, false]) func threeNodesAreAllLinked(ownLoop: Bool) throws {
    let nodes = LinkedNodes([1, 2, 3], ownLoop: ownLoop)
    nodes.linked((1, 2), (1, 3), (2, 3))
    for (from, to) in [(1, 2), (2, 3), (3, 1), (1, 3)] {
      #expect(try nodes.flood(from, to, count: 50, size: 100) == 50)
    }
    for (id, count) in [(1, 50), (2, 50), (3, 100)] { nodes.awaits(id, "messages", count) }
    guard case .value(.json(let text)) = try nodes[1].call("nodes", on: "mail") else { return #expect(Bool(false)) }
    let list = try JSON(parsing: text).array ?? []
    #expect(list.map { $0["id"] } == [1, 2, 3] && list.allSatisfy { $0["up"] == true })
    #expect(list.map { $0["self"] } == [true, false, false])
    #expect(list.map { $0["name"]?.string } == ["node-t", "node-2", "node-3"])
  }

  @Test func messagesToUnknownNodesAndOnesThatAreDownAreRefused() throws {
    let nodes = LinkedNodes([1])
    #expect(try nodes.send(1, 7, "x") == .value(.int(Int64(NH_NOT_FOUND))))
    #expect(try nodes.send(1, 2, "x") == .value(.int(Int64(NH_UNAVAILABLE))))
    #expect(try nodes.send(1, 2, "x", priority: 3) == .value(.int(Int64(NH_INVALID_ARGUMENT))))
    #expect(try nodes[1].call("up", [.unsigned(2)], on: "mail") == .value(.bool(false)))
    #expect(try nodes.send(1, 1, "to myself") == .value(.int(0)))
    nodes.awaits(1, "messages", 1)
    #expect(try nodes[1].call("up", [.unsigned(1)], on: "mail") == .value(.bool(true)))
  }

  @Test(arguments: [true, false]) func manyMessagesOfAllSizesArriveInOrder(ownLoop: Bool) throws {
    let nodes = LinkedNodes([1, 2], ownLoop: ownLoop)
    nodes.linked((1, 2))
    var count = 0, bytes = 0
    for (size, many) in [
      (9, 20_000), (100, 20_000), (16_300, 200), (16_368, 50), (16_400, 50), (1 << 20, 20), (16 << 20, 1),
    ] {
      let taken = try nodes.flood(1, 2, count: many, size: size)
      #expect(taken == many, "\(size)")
      (count, bytes) = (count + taken, bytes + taken * size)
      nodes.awaits(2, "messages", count)
    }
    #expect(try nodes.seen(2, "bytes") == bytes && nodes.seen(2, "disorder") == 0 && nodes.seen(2, "damaged") == 0)
  }

  @Test(arguments: [true, false]) func anUrgentMessageOvertakesALargeOne(ownLoop: Bool) throws {
    let nodes = LinkedNodes([1, 2], ownLoop: ownLoop)
    nodes.linked((1, 2))
    // Or the large one might be there before the urgent one is sent.
    nodes.cut(1, 2, .outgoing)
    usleep(20_000)
    #expect(try nodes.flood(1, 2, count: 1, size: 16 << 20, priority: 2) == 1)
    #expect(try nodes.flood(1, 2, count: 1, size: 20, priority: 0) == 1)
    nodes.cut(1, 2, heals: true)
    nodes.awaits(2, "messages", 2)
    #expect(try nodes.seen(2, "before_urgent") == 0 && nodes.seen(2, "damaged") == 0)
  }

  @Test(arguments: [true, false]) func aFullQueueIsSaidAndHoldsNobodyElseUp(ownLoop: Bool) throws {
    var timing = LinkedNodes.quick
    // The cut lasts as long as it takes to fill the queue, and the link has to outlast it.
    timing.silenceMilliseconds = 60_000
    let nodes = LinkedNodes([1, 2], timing: timing, ownLoop: ownLoop)
    nodes.linked((1, 2))
    nodes.cut(1, 2, .outgoing)
    usleep(20_000)
    let taken = try nodes.flood(1, 2, count: 1_000, size: 1 << 20, priority: 2)
    #expect(taken >= 30 && taken <= 33, "\(taken) MiB were taken")
    #expect(try nodes.flood(1, 2, count: 1, size: 1 << 20, priority: 2) == 0)
    #expect(try nodes.flood(1, 2, count: 1, size: 20, priority: 0) == 1, "votes have a queue of their own")
    nodes.cut(1, 2, heals: true)
    nodes.awaits(2, "messages", taken + 1)
    #expect(try nodes.seen(2, "disorder") == 0 && nodes.seen(2, "damaged") == 0 && nodes.seen(2, "downs") == 0)
    #expect(try nodes.flood(1, 2, count: 1, size: 20, priority: 2) == 1)
  }

  /// A role that is busy until it is told otherwise.
  private final class Busy {
    private var ends: [Int32] = [0, 0]
    private let call: Pending<CallOutcome>

    init(_ node: LiveNode) {
      socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends)
      call = node.send("hold", [.int(Int64(ends[1]))], on: "mail")
      var byte: UInt8 = 0
      #expect(recv(ends[0], &byte, 1, 0) == 1)
    }

    func end() {
      #expect(Glibc.send(ends[0], [0], 1, 0) == 1)
      #expect(call.outcome() == .value(.int(1)))
    }

    deinit {
      shutdown(ends[0], Int32(SHUT_RDWR))
      for end in ends { close(end) }
    }
  }

  /// Floods a busy role until a round of 10,000 messages, of which so many were taken, is enough. How many were taken.
  private func floodABusyRole(_ nodes: LinkedNodes, until isEnough: (_ more: Int) -> Bool) -> Int {
    nodes.linked((1, 2))
    let busy = Busy(nodes[2])
    var taken = 0
    eventually("it is too much for the role") {
      let more = (try? nodes.flood(1, 2, count: 10_000, size: 20)) ?? 0
      taken += more
      return isEnough(more)
    }
    busy.end()
    return taken
  }

  @Test func aBusyRoleHoldsItsSendersUp() throws {
    var timing = LinkedNodes.quick
    // However long the flood takes on a machine that does much else: nothing is given up meanwhile.
    (timing.patienceMilliseconds, timing.silenceMilliseconds) = (60_000, 60_000)
    let nodes = LinkedNodes([1, 2], timing: timing)
    let taken = floodABusyRole(nodes) { $0 < 10_000 }
    #expect(taken >= 65_536)
    nodes.awaits(2, "messages", taken)
    #expect(try nodes.seen(2, "disorder") == 0 && nodes.seen(2, "downs") == 0)
    #expect(nodes.peer(2, 1)?.messagesDropped == 0)
  }

  @Test func aRoleThatDoesNotGetOnLosesMessagesAndHoldsNobodyElseUp() throws {
    var timing = LinkedNodes.quick
    timing.patienceMilliseconds = 50
    let nodes = LinkedNodes([1, 2], timing: timing)
    let taken = floodABusyRole(nodes) { _ in (nodes.peer(2, 1)?.messagesDropped ?? 0) > 0 }
    eventually("all that was taken has come or was counted") {
      guard let peer = nodes.peer(2, 1), let seen = try? nodes.seen(2, "messages") else { return false }
      return peer.messagesDropped > 0 && seen + Int(peer.messagesDropped) == taken
    }
    #expect(try nodes.seen(2, "disorder") == 0 && nodes.seen(2, "downs") == 0)
    #expect(nodes.complaints(2, "and does not get on") == 1)
  }

  @Test func aRoleThatLosesMessagesStillLearnsOfItsLinks() throws {
    var timing = LinkedNodes.quick
    timing.patienceMilliseconds = 50
    let nodes = LinkedNodes([1, 2], timing: timing)
    nodes.linked((1, 2))
    nodes.awaits(1, "ups", 1)
    let busy = Busy(nodes[1])
    eventually("messages are dropped") {
      _ = try? nodes.flood(2, 1, count: 10_000, size: 20)
      return (nodes.peer(1, 2)?.messagesDropped ?? 0) > 0
    }
    nodes.cut(1, 2)
    eventually("the link is down") { !nodes.isUp(2, 1) && !nodes.isUp(1, 2) }
    nodes.cut(1, 2, heals: true)
    nodes.linked((1, 2))
    busy.end()
    nodes.awaits(1, "ups", 2)
    #expect(try nodes.seen(1, "downs") == 1)
  }

  @Test func aRoleThatIsNotThereIsSaidOnce() throws {
    let nodes = LinkedNodes([1, 2])
    nodes.linked((1, 2))
    for _ in 0..<5 { #expect(try nodes.send(1, 2, "x", role: "nobody") == .value(.int(0))) }
    eventually("they are counted") { nodes.peer(2, 1)?.messagesDropped == 5 }
    #expect(nodes.complaints(2, "the role `nobody` are dropped: it does not run here") == 1)
  }

  @Test(arguments: [true, false]) func aSwapLosesNoMessage(ownLoop: Bool) throws {
    let nodes = LinkedNodes([1, 2], ownLoop: ownLoop)
    nodes.linked((1, 2))
    let swap = nodes[2].beginSwap(["mail"], isForced: true)
    var taken = 0
    for _ in 0..<50 {
      taken += try nodes.flood(1, 2, count: 200, size: 50)
      usleep(2_000)
    }
    #expect(try swap.outcome().get().map(\.generation) == [2])
    #expect(taken == 10_000)
    nodes.awaits(2, "messages", taken)
    #expect(try nodes.seen(2, "disorder") == 0)
  }

  @Test(arguments: [true, false]) func calls(ownLoop: Bool) throws {
    let nodes = LinkedNodes([1, 2], ownLoop: ownLoop)
    nodes.linked((1, 2))
    func ask(_ node: String, _ target: String, _ method: String, _ milliseconds: Int64 = callMilliseconds) throws
      -> CallOutcome
    {
      try nodes[1].call(
        "ask", [.text(node), .text(target), .text(method), .int(21), .int(milliseconds)], on: "mail")
    }
    #expect(try ask("node-2", "mail", "twice") == .value(.int(42)))
    #expect(
      try ask("node-2", "mail", "thrice")
        == .failure(NH_UNIMPLEMENTED, "mail has no method `thrice`; did you mean `twice`?"))
    #expect(
      try ask("node-2", "mai", "twice")
        == .failure(NH_NOT_FOUND, "no role is named `mai` or provides it; did you mean `mail`?"))
    #expect(try ask("node-9", "mail", "twice") == .failure(NH_UNAVAILABLE, "no link to a node `node-9`"))
    guard case .error(let status, _) = try ask("node-2", "mail", "never", 50) else { return #expect(Bool(false)) }
    #expect(status == NH_DEADLINE_EXCEEDED)
    let seat = try nodes[2].instance("mail").seat
    eventually("the other side has forgotten it") { nodes[2].onLoop(seat) { $0.current?.openCalls.count == 0 } }

    let open = nodes[1].send(
      "ask", [.text("node-2"), .text("mail"), .text("never"), .int(1), .int(4_000)], on: "mail")
    usleep(50_000)
    #expect(try nodes[1].call("give_up", on: "mail") == .value(.int(0)))
    #expect(open.outcome() == .failure(NH_CANCELLED, "the caller gave up"))

    let lost = nodes[1].send(
      "ask", [.text("node-2"), .text("mail"), .text("never"), .int(1), .int(4_000)], on: "mail")
    usleep(50_000)
    nodes.cut(2, 1)
    nodes.awaits(2, "downs", 1)
    let words = "the link to node 2 broke; it may or may not have done what was asked"
    #expect(lost.outcome() == .failure(NH_UNAVAILABLE, words))
  }
}
