@testable import HostCore
import NodeValues
import Testing

/// What forward tables may say, and how sticky clients are spread.
@Suite struct ForwardTableTests {
  private static let upstreams = """
    "upstreams": [{"id": "a", "url": "http://10.0.0.7:8080", "weight": 9}, {"id": "b", "url": "https://[::1]/"}]
    """

  @Test func everythingIsRead() throws {
    let table = try ForwardTable(
      parsing: """
        {"listener": "web", "prefix": "/api/", \(Self.upstreams), "sticky": {"header": "X-User"},
         "match": [{"header": "X-Tester", "prefix": "y", "upstreams": ["b"]}, {"header": "x-any", "upstreams": ["a"]}],
         "mirror": {"url": "h2c://copy", "percent": 2.5}, "timeout_ms": 100,
         "retries": {"count": 2, "budget_percent": 5},
         "health": {"path": "/up", "interval_ms": 50, "timeout_ms": 20, "healthy": 1, "unhealthy": 4},
         "ejection": {"failures": 3, "for_ms": 700, "most_percent": 34}, "host": "upstream"}
        """)
    #expect(table.listener == "web" && table.prefix == "/api/" && table.host == .upstream)
    #expect(table.upstreams.map(\.id) == ["a", "b"] && table.upstreams.map(\.weight) == [9, 1])
    let (first, second) = (table.upstreams[0].url, table.upstreams[1].url)
    #expect(second.scheme == .https && second.host == "::1" && second.port == 443)
    #expect(second.authority == "[::1]" && first.authority == "10.0.0.7:8080")
    #expect(table.sticky == .header("x-user"))
    #expect(
      table.rules == [
        .init(header: "x-tester", value: .prefix("y"), upstreams: [1]),
        .init(header: "x-any", value: .any, upstreams: [0]),
      ])
    #expect(table.mirror == .init(url: try #require(HTTPURL("h2c://copy", [.h2c])), percent: 2.5))
    #expect(table.mirror?.url.port == 80)
    #expect(table.timeoutMilliseconds == 100 && table.retries == .init(count: 2, budgetPercent: 5))
    #expect(
      table.health
        == .init(path: "/up", intervalMilliseconds: 50, timeoutMilliseconds: 20, healthy: 1, unhealthy: 4))
    #expect(table.ejection == .init(failures: 3, milliseconds: 700, mostPercent: 34))
  }

  @Test func whatIsNotSaidHasAGoodValue() throws {
    let table = try ForwardTable(parsing: "{\(Self.upstreams), \"sticky\": null, \"retries\": 3}")
    #expect(table.prefix == "/" && table.listener.isEmpty && table.host == .client && table.sticky == nil)
    #expect(table.timeoutMilliseconds == 30_000 && table.retries.count == 3 && table.retries.budgetPercent == 20)
    #expect(table.health == nil && table.ejection == nil && table.mirror == nil)
  }

  @Test(arguments: [
    ("\"prefix\": \"api\"", "/prefix"),
    ("\"upstreams\": [{\"id\": \"\", \"url\": \"http://a\"}]", "/upstreams/0/id"),
    ("\"upstreams\": [{\"id\": \"a\", \"url\": \"http://a/path\"}]", "/upstreams/0/url"),
    (
      "\"upstreams\": [{\"id\": \"a\", \"url\": \"http://a\"}, {\"id\": \"a\", \"url\": \"http://b\"}]",
      "/upstreams/1/id"
    ),
    ("\"upstreams\": [{\"id\": \"a\", \"url\": \"http://a\", \"weight\": -1}]", "/upstreams/0/weight"),
    ("\"upstreams\": [{\"id\": \"a\", \"url\": \"http://a\", \"weight\": 0}]", "/upstreams"),
    ("\"sticky\": {\"header\": \"a\", \"source\": true}", "/sticky"),
    ("\"sticky\": {\"header\": \"not a name\"}", "/sticky/header"),
    ("\"match\": [{\"header\": \"a\", \"upstreams\": [\"c\"]}]", "/match/0/upstreams/0"),
    ("\"match\": [{\"header\": \"a\", \"value\": \"1\", \"prefix\": \"2\", \"upstreams\": [\"a\"]}]", "/match/0"),
    ("\"match\": [{\"upstreams\": [\"a\"]}]", "/match/0/header"),
    ("\"mirror\": {\"url\": \"http://a\", \"percent\": 101}", "/mirror/percent"),
    ("\"timeout_ms\": 0", "/timeout_ms"), ("\"retries\": 11", "/retries"),
    ("\"retries\": {\"budget\": 1}", "/retries/budget"), ("\"health\": {\"path\": \"x\"}", "/health/path"),
    ("\"ejection\": []", "/ejection"), ("\"host\": \"mine\"", "/host"),
    ("\"limits\": {\"requests\": 0}", "/limits/requests"), ("\"name_header\": \"a b\"", "/name_header"),
  ]) func aFaultHasItsPlace(_ member: String, _ place: String) {
    let upstreams = member.hasPrefix("\"upstreams\"") ? "" : ", \(Self.upstreams)"
    #expect { try ForwardTable(parsing: "{\(member)\(upstreams)}") } throws: { error in
      (error as? ForwardTableFault)?.place == place
    }
  }

  // MARK: Sticky clients

  private func place(_ key: UInt64, _ hashes: [(StickyHash, Double)]) -> Int {
    hashes.indices.min { hashes[$0].0.draw(key, weight: hashes[$0].1) < hashes[$1].0.draw(key, weight: hashes[$1].1) }!
  }

  private func key(_ number: Int) -> UInt64 {
    Array("client-\(number)".utf8).withUnsafeBytes { StickyHash.key($0) }
  }

  @Test func clientsAreSpreadByWeight() {
    let hashes = [("a", 1.0), ("b", 2.0), ("c", 7.0)].map { (StickyHash(place: $0.0), $0.1) }
    var counts = [0, 0, 0]
    for number in 0..<10_000 { counts[place(key(number), hashes)] += 1 }
    #expect(abs(counts[0] - 1_000) < 120 && abs(counts[1] - 2_000) < 160 && abs(counts[2] - 7_000) < 180, "\(counts)")
  }

  @Test func onlyClientsOfWhatIsGoneMove() {
    let all = ["a", "b", "c", "d"].map { (StickyHash(place: $0), 1.0) }
    let fewer = Array(all.dropLast())
    for number in 0..<2_000 {
      let before = place(key(number), all)
      if before < 3 { #expect(place(key(number), fewer) == before) }
    }
  }
}
