import HostCore
import NodeValues
@testable import Simulator
import Testing

extension Worlds {
  /// gRPC between simulated nodes.
  @Suite struct RpcTests {
    private func nodes() throws -> SimulatedNodes { try SimulatedNodes([["{ role: talker }"], ["{ role: talker }"]]) }

    private func words(
      _ method: String, _ payload: String, messages: Int = 0, milliseconds: Int = 2_000, retries: Int = 0,
      waits: Bool = false
    ) -> [String] {
      [
        "http://n2:8080", "/interop.Echo/\(method)", payload, "\(messages)", "\(milliseconds)", "\(retries)",
        waits ? "1" : "0", "0",
      ]
    }

    private func call(_ nodes: SimulatedNodes, _ words: [String]) throws -> String {
      "\(try nodes.call("talker", "call", words, on: 1).string ?? "")"
    }

    @Test func unaryAndStreams() throws {
      try twice {
        let nodes = try nodes()
        #expect(try call(nodes, words("Unary", "hello")) == "status 0, 1 messages, 5 bytes, 0 before, 0 behind: ")
        #expect(try call(nodes, words("Split", "2000")).hasPrefix("status 0, 2000 messages, 6890 bytes"))
        #expect(try call(nodes, words("Chat", "ping", messages: 50)).hasPrefix("status 0, 50 messages, 200 bytes"))
        #expect(try call(nodes, words("Nothing", "")).hasPrefix("status 12,"))
        return nodes
      }
    }

    @Test func aDeadlineEndsTheCallOnBothSides() throws {
      try twice {
        let nodes = try nodes()
        let before = nodes.now
        #expect(try call(nodes, words("Wait", "", milliseconds: 400)).hasPrefix("status 4,"))
        #expect((0.4..<0.41).contains(nodes.now - before))
        nodes.pass(0.1)
        // The server counts what has ended without it.
        #expect(try call(nodes, words("Ended", "")).hasPrefix("status 0, 1 messages, 3 bytes"))
        return nodes
      }
    }

    @Test func aCallWaitsForANodeThatIsNotThereYet() throws {
      try twice {
        let nodes = try nodes()
        nodes[2].crash(losesPower: false)
        #expect(try call(nodes, words("Unary", "hello")).hasPrefix("status 14,"))
        let waiting = nodes.begin(
          "talker", "call", words("Unary", "hello", milliseconds: 30_000, waits: true), on: 1)
        nodes.pass(3)
        #expect(waiting.answer == nil)
        nodes[2].start()
        #expect(try nodes.end(waiting).string?.hasPrefix("status 0, 1 messages") == true)
        return nodes
      }
    }

    @Test func aCutInTheMiddleHoldsAStreamUp() throws {
      try twice {
        let nodes = try nodes()
        let chat = nodes.begin("talker", "call", words("Chat", "ping", messages: 200, milliseconds: 30_000), on: 1)
        nodes.pass(0.05)
        nodes.world.network.setCuts([(2, 1)])
        nodes.pass(3)
        #expect(chat.answer == nil)
        nodes.world.network.setCuts([])
        #expect(try nodes.end(chat).string?.hasPrefix("status 0, 200 messages, 800 bytes") == true)
        return nodes
      }
    }
  }
}
