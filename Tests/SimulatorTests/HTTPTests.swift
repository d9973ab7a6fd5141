import HostCore
import NodeValues
@testable import Simulator
import Testing

extension Worlds {
  /// HTTP between simulated nodes: the host's own code above, a simulated network below.
  @Suite struct HTTPTests {
    /// Far more than all that may be on its way.
    private static let amount = 3_000_000
    private let routes = "{ role: routes }"
    private let asker = "{ role: asker, plugin: asker }"

    private func pair(seed: UInt64 = 7, listen: String = "") throws -> SimulatedNodes {
      try SimulatedNodes([[asker, routes], [routes]], listen: listen, seed: seed)
    }

    @Test func requestsAndAnswersWithBodiesAndTrailers() throws {
      try twice {
        let nodes = try pair()
        let hello = try nodes.ask("GET", "http://n2:8080/hello/Kiel")
        #expect(hello["status"] == 200 && hello["body"] == "hello, Kiel\n")
        #expect(hello["headers"]?["date"] != nil, "by the virtual clock")
        let echo = try nodes.ask("POST", "http://10.0.0.2:8080/echo", "some words")
        #expect(echo["body"] == "some words")
        let trailers = try nodes.ask("GET", "http://n2:8080/trailers")
        #expect(trailers["body"] == "body" && trailers["trailers"] == ["x-sum": "42"])
        #expect(nodes.count("data GET /hello/Kiel: 200", on: 2) == 1)
        return nodes
      }
    }

    @Test func aNodeReachesItself() throws {
      let nodes = try pair()
      for host in ["127.0.0.1", "localhost", "n1", "10.0.0.1"] {
        #expect(try nodes.ask("GET", "http://\(host):8080/build")["status"] == 200)
      }
      #expect(nodes.count("data GET /build: 200", on: 1) == 4)
    }

    @Test func whoIsNotThereIsNotReached() throws {
      let nodes = try pair()
      #expect(contains(nodes.failure { try nodes.ask("GET", "http://n2:81/") }, "Connection refused"))
      #expect(contains(nodes.failure { try nodes.ask("GET", "http://nobody:80/") }, "nobody has no address"))
      #expect(contains(nodes.failure { try nodes.ask("GET", "http://10.9.9.9:80/") }, "No route to host"))
      nodes[2].crash(losesPower: false)
      #expect(contains(nodes.failure { try nodes.ask("GET", "http://n2:8080/build") }, "Connection refused"))
      let before = nodes.now
      nodes[1].crash(losesPower: true)
      nodes[2].start()
      nodes[1].start()
      nodes.pass(0.1)
      nodes[2].crash(losesPower: true)
      #expect(contains(nodes.failure { try nodes.ask("GET", "http://n2:8080/build") }, "did not answer in time"))
      #expect(nodes.now - before > 4.9)
    }

    @Test func whoDoesNotReadHoldsTheOtherUp() throws {
      try twice {
        let nodes = try pair()
        let drink = nodes.begin("asker", "drink", ["http://n2:8080/pour/\(Self.amount)", "2000"], on: 1)
        nodes.pass(0.1)
        #expect(drink.answer == nil)
        let underway = nodes.sent(by: 2)
        #expect(underway > 64 << 10 && underway < 1 << 20, "\(underway) bytes are on their way")
        #expect(try nodes.end(drink) == JSON(Self.amount))
        return nodes
      }
    }

    @Test func aDeadlineEndsWhatTakesTooLong() throws {
      try twice {
        let nodes = try pair()
        let before = nodes.now
        let words = nodes.failure { try nodes.ask("GET", "http://n2:8080/never", timeout: 700) }
        #expect(contains(words, "no whole answer within 700 ms"), "\(words)")
        #expect((0.7..<0.71).contains(nodes.now - before))
        // A client that closes its side may still be listening, so the server waits a little.
        nodes.pass(8)
        #expect(nodes.count("data GET /never: broken off", on: 2) == 1, "the other side heard of it")
        return nodes
      }
    }

    @Test func aCutHoldsUpAndNothingIsLost() throws {
      try twice {
        let nodes = try pair()
        let drink = nodes.begin("asker", "drink", ["http://n2:8080/pour/\(Self.amount)", "2000"], on: 1)
        nodes.pass(0.05)
        nodes.world.network.setCuts([(1, 2), (2, 1)])
        nodes.pass(4)
        let lines = nodes.count("hears from", on: 1)
        nodes.pass(0.5)
        #expect(drink.answer == nil && nodes.count("hears from", on: 1) == lines)
        nodes.world.network.setCuts([])
        #expect(try nodes.end(drink) == JSON(Self.amount))
        return nodes
      }
    }

    @Test func aConnectionThatBreaksBreaksTheRequest() throws {
      let nodes = try pair()
      let drink = nodes.begin("asker", "drink", ["http://n2:8080/pour/\(Self.amount)", "2000"], on: 1)
      nodes.pass(0.05)
      nodes[2].crash(losesPower: false)
      #expect(throws: SimulatedNodes.Failed.self) { try nodes.end(drink, within: 1) }
      nodes[2].start()
      nodes.pass(0.1)
      #expect(try nodes.ask("GET", "http://n2:8080/build")["status"] == 200)
    }

    @Test func aMachineWithoutPowerIsSilentUntilItIsBack() throws {
      try twice {
        let nodes = try pair()
        // The connection is kept for the next request.
        _ = try nodes.ask("GET", "http://n2:8080/build")
        nodes[2].crash(losesPower: true)
        let silent = nodes.failure { try nodes.ask("POST", "http://n2:8080/echo", "x", timeout: 2_000) }
        #expect(contains(silent, "no whole answer within 2000 ms"), "\(silent)")
        let late = nodes.begin("asker", "ask", ["POST", "http://n2:8080/echo", "late", "9000", "3"], on: 1)
        nodes.pass(1)
        #expect(late.answer == nil)
        nodes[2].start()
        #expect(try nodes.end(late)["body"] == "late")
        return nodes
      }
    }

    @Test func secretConnectionsNeedNoCertificates() throws {
      let listen = ", safe: { address: \"0.0.0.0:8443\", tls: { certificate: /nowhere/c, key: /nowhere/k } }"
      let nodes = try SimulatedNodes(
        [[asker, "{ role: talker, config: { listener: safe } }"], ["{ role: talker, config: { listener: safe } }"]],
        listen: listen)
      #expect(try nodes.ask("GET", "https://n2:8443/nothing")["status"] == 404)
      let words = nodes.failure { try nodes.ask("GET", "http://n2:8443/nothing") }
      #expect(contains(words, "reset"), "\(words)")
      let answer = try nodes.call(
        "talker", "call", ["https://n2:8443", "/interop.Echo/Unary", "hello", "0", "1000", "0", "0", "0"], on: 1)
      #expect(contains("\(answer)", "status 0, 1 messages, 5 bytes"), "\(answer)")
    }

    @Test func linksThatBreakAreMadeAnew() throws {
      try twice {
        let nodes = try pair()
        nodes.world.network.breakChance = 0.05
        var good = 0
        for number in 0..<100 {
          if case let answer? = try? nodes.ask("GET", "http://n2:8080/hello/\(number)", retries: 5) {
            #expect(answer["body"]?.string == "hello, \(number)\n")
            good += 1
          }
        }
        #expect(good > 80 && nodes.count("breaks", on: 1) > 0)
        return nodes
      }
    }
  }
}
