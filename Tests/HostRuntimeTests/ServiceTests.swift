import CNodeABI
@testable import HostRuntime
import NodeValues
import Testing

/// What all roles of a node share, used from several threads at once.
@Suite struct SharedServiceTests {
  /// Runs `work` on two loops of its own at the same time, and waits for both.
  private func onTwoThreads(_ work: @escaping @Sendable () -> Void) {
    let loops = [EventLoop(index: 8, name: "first"), EventLoop(index: 9, name: "second")]
    let threads = loops.map { $0.startThread() }
    for loop in loops {
      loop.post(work)
      loop.stop()
    }
    for thread in threads { thread.join() }
  }

  @Test func eventsThatMeetAFullQueueAreAllCounted() throws {
    let live = LiveNode(BrokenPlugin(), [LiveNode.role("b", plugin: "broken", "limits: { queue: 4 }")])
    let instance = try live.instance()
    let bus = live.node.services.bus
    bus.subscribe(instance.seat, "t", handle: 1)
    defer { bus.unsubscribe(instance.seat, handle: 1) }
    let nap = try #require(instance.method("nap"))
    let ended = Flag()
    RoleCall(instance, nap, PackedValues([.int(1000)]), deadline: 0) { _ in ended.raise() }.send()
    onTwoThreads { for _ in 0..<500 { bus.publish("t", source: "test", payload: []) } }
    ended.wait("the nap ends")
    let dropped = live.node.services.metrics.text().split(separator: "\n").first {
      $0.hasPrefix("nodehost_events_dropped_total{node=\"node-t\",role=\"b\"} ")
    }
    let count = try #require(dropped?.split(separator: " ").last.flatMap { Int($0) })
    // Three or four wait in the queue, depending on whether the nap had left it.
    #expect((996...997).contains(count))
  }

  @Test func namesOfTheHostsOwnMetricsAreRefused() throws {
    let live = LiveNode(BrokenPlugin(), [LiveNode.role()])
    let instance = try live.instance()
    let handles = Holder<[UInt64]>()
    let done = Flag()
    instance.loop.post {
      let labels = nh_pair_list(items: nil, count: 0), none = nh_value_list(items: nil, count: 0)
      let found = ["nodehost_events_dropped_total", "own_total"].map { name in
        BorrowedText.with(name) { name in
          BorrowedText.with("") { instance.metric(.gauge, name, $0, labels, none) }
        }
      }
      handles.put(found)
      done.raise()
    }
    done.wait("both are asked for")
    #expect(handles.take() == [0, 1])
  }

  @Test func aCounterIsTheSumOfItsParts() {
    let registry = MetricRegistry()
    let whole = registry.series(.counter, "asked", help: "", labels: [("loop", "all")], bounds: [])!
    let parts = [whole.part(), whole.part()]
    whole.add(1)
    for _ in 0..<2 { parts[0].add(1) }
    for _ in 0..<3 { parts[1].add(10) }
    #expect(whole.read() == 33 && parts[1].read() == 30)
    #expect(registry.text().contains("asked{loop=\"all\"} 33"))
  }

  @Test func textInMetricsStaysOnItsLine() {
    let registry = MetricRegistry()
    let label = (name: "l", value: "a\r\n\"b\\")
    _ = registry.series(.counter, "c", help: "one\r\nc 5\ntwo", labels: [label], bounds: [])
    let lines = registry.text().unicodeScalars.split(separator: "\n")
    #expect(lines.count == 3, "\(registry.text())")
  }

  @Test func aMessageIsCutByBytesAndHugeFieldsAreLeftOut() {
    let log = LogHub(writesToStandardError: false)
    log.write(NH_LOG_INFO, "e" + String(repeating: "\u{301}", count: LogHub.lineLimit))
    log.write(NH_LOG_INFO, "m", fields: "{\"a\":\"\(String(repeating: "x", count: LogHub.lineLimit))\"}")
    let lines = log.lines(after: 0, limit: 10)
    #expect(lines[0].message.utf8.count <= LogHub.lineLimit + 6)
    #expect(lines[1].fields.isEmpty)
  }
}
