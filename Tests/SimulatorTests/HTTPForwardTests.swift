import HostCore
import NodeValues
@testable import Simulator
import Testing

extension Worlds {
  /// A forward table on one simulated node, whose upstreams are two others.
  @Suite struct HTTPForwardTests {
    private func nodes(_ more: String = "", seed: UInt64 = 7) throws -> SimulatedNodes {
      let table =
        #"{"upstreams": [{"id": "stable", "url": "http://n2:8080", "weight": 90}, "#
        + #"{"id": "canary", "url": "http://n3:8080", "weight": 10}]\#(more)}"#
      return try SimulatedNodes([
        ["{ role: router, config: { table: '\(table)' } }"], ["{ role: routes }"], ["{ role: routes }"],
        ["{ role: asker }"],
      ])
    }

    private func ask(_ nodes: SimulatedNodes, _ number: Int) throws -> JSON {
      try nodes.ask("GET", "http://n1:8080/hello/\(number)", on: 4)
    }

    @Test func weightsAreKept() throws {
      try twice {
        let nodes = try nodes()
        for number in 0..<100 { #expect(try ask(nodes, number)["status"] == 200) }
        #expect(nodes.count("data GET /hello/", on: 2) == 90)
        #expect(nodes.count("data GET /hello/", on: 3) == 10)
        return nodes
      }
    }

    @Test(arguments: [false, true]) func nothingIsLostWhenAnUpstreamDies(losesPower: Bool) throws {
      try twice {
        let nodes = try nodes(
          #", "timeout_ms": 500, "retries": {"count": 2, "budget_percent": 100}, "#
            + #""ejection": {"failures": 2, "for_ms": 5000, "most_percent": 50}"#)
        for number in 0..<40 { try #require(ask(nodes, number)["status"] == 200) }
        nodes[3].crash(losesPower: losesPower)
        let before = nodes.now
        var late = 0
        for number in 40..<140 {
          let answer = try ask(nodes, number)
          if answer["status"] == 504 { late += 1 } else { try #require(answer["body"]?.string == "hello, \(number)\n") }
        }
        // Who waits for a machine that says nothing waits as long as the table allows, until it is left out.
        #expect(late == (losesPower ? 2 : 0))
        #expect(nodes.now - before < (losesPower ? 2.5 : 0.8), "\(nodes.now - before) s")
        nodes[3].start()
        nodes.pass(6)
        let known = nodes.count("data GET /hello/", on: 3)
        for number in 140..<200 { #expect(try ask(nodes, number)["status"] == 200) }
        #expect(nodes.count("data GET /hello/", on: 3) > known, "it is used again")
        return nodes
      }
    }
  }
}
