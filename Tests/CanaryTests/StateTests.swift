import FuzzSupport
import NodeTesting
import Testing

@testable import CanaryCore

/// What a routing state may say, and how it changes.
@Suite struct StateTests {
  static func state(_ shares: [(String, Double)], urls: Bool = false) throws -> RoutingState {
    let versions = shares.map { id, share -> JSON in
      var one: [(String, JSON)] = [("id", .string(id)), ("weight", .double(share))]
      if urls { one.append(("url", .string("http://10.0.0.1:80\(id.utf8.count)"))) }
      return .object(JSONObject(one))
    }
    return try RoutingState().setting(["versions": .array(versions), "stable": .string(shares[0].0)], 1_000)
  }

  @Test func readsWhatItWrites() throws {
    var state = try Self.state([("v1", 87.5), ("v2", 12.5)], urls: true)
    state = try state.setting(
      [
        "sticky": ["header": "X-User"], "mirror": ["url": "h2c://10.0.0.9:80", "percent": 12.5],
        "match": [["header": "X-Beta", "value": "yes", "versions": ["v2"]]], "freeze": ["Fri 16:00-Mon 08:00"],
      ], 2_000)
    state = try state.setting(["weights": ["v1": 100]], 3_000)
    let request = try StartRequest(["version": "v2", "metrics": ["error_rate<1%", "p99<250ms"], "by": "Ada"])
    // 1970-01-01 was a Thursday.
    let started = try state.starting(request, 4_000)
    #expect(try RoutingState(parsing: started.bytes) == started)
    #expect(started.rollout?.before == ["v1": 1_000_000, "v2": 0])
    #expect(started.releases.map(\.share.millionths) == [990_000, 10_000])
    #expect(started.version == 4)
  }

  @Test(arguments: [
    (#"{"versions": [{"id": "a", "weight": 60}, {"id": "b", "weight": 30}]}"#, "add up to 90 %"),
    (#"{"versions": [{"id": "a b"}]}"#, "is no name"),
    (#"{"versions": [{"id": "a", "url": "ftp://x"}]}"#, "expected http://HOST:PORT"),
    (#"{"versions": [{"id": "a", "url": "http://x:99999"}]}"#, "expected http://HOST:PORT"),
    (#"{"versions": [{"id": "a", "url": "http://x"}, {"id": "b", "weight": 100}]}"#, "give all a URL, or none"),
    (#"{"versions": [{"id": "a"}], "stable": "b"}"#, "no version has the id `b`"),
    (#"{"versions": [{"id": "a", "url": "http://x"}], "sticky": {"member": "user"}}"#, "unread"),
    (#"{"versions": [{"id": "a"}], "match": [{"header": "x", "versions": ["c"]}]}"#, "no version has the id `c`"),
    (#"{"versions": [{"id": "a"}], "freeze": ["Frx 16:00-Mon 08:00"]}"#, "is no freeze window"),
    (#"{"versions": [{"id": "a"}], "wheights": {}}"#, "not known here"),
  ])
  func saysWhatIsWrong(_ text: String, _ words: String) throws {
    let error = #expect(throws: RoleError.self) { try RoutingState().setting(JSON(parsing: text), 0) }
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    #expect(error?.place.hasPrefix("/") == true)
  }

  @Test func aRolloutGoesAndComesBackExactly() throws {
    let state = try Self.state([("a", 33.3333), ("b", 33.3333), ("c", 33.3334)])
    let request = try StartRequest(["version": "d", "steps": [7, 50, 100]])
    var next = try state.starting(request, 0)
    #expect(next.share(of: "d") == Share(percent: 7))
    let proportion = Double(next.share(of: "a").millionths) / Double(next.share(of: "c").millionths)
    #expect(abs(proportion - 1) < 1e-4)
    next = try next.advancing(.step, by: "", why: "", numbers: .null, 0)
    let back = try next.rollingBack(.rollback, by: "", why: "bad", 0)
    #expect(back.releases.dropLast().map(\.share) == state.releases.map(\.share))
    #expect(back.share(of: "d") == .none)
    let last = try next.advancing(.step, by: "", why: "", numbers: .null, 0)
    let end = try last.advancing(.step, by: "", why: "", numbers: .null, 0)
    #expect(end.stable == "d" && end.share(of: "d") == .whole && end.rollout == nil && end.decision.kind == .finish)
    #expect(throws: RoleError.self) { try end.advancing(.step, by: "", why: "", numbers: .null, 0) }
  }

  @Test func coolsDownAndFreezes() throws {
    var state = try Self.state([("v1", 100)])
    let request = try StartRequest(["version": "v2", "cooldown_ms": 60_000])
    state = try state.starting(request, 0).rollingBack(.rollback, by: "", why: "bad", 10_000)
    let cooling = #expect(throws: RoleError.self) { try state.starting(request, 69_999) }
    #expect(cooling?.message.contains("cools down after a rollback until 1970-01-01T00:01:10.000Z") == true)
    #expect(throws: Never.self) { try state.starting(request, 70_000) }
    state = try state.setting(["freeze": ["Thu 00:00-Thu 06:00"]], 70_000)
    #expect(throws: RoleError.self) { try state.starting(request, 80_000) }
    #expect(throws: Never.self) { try state.starting(request, 6 * 3_600_000) }
  }

  @Test(arguments: [
    ("Fri 16:00-Mon 08:00", [(4, 15, false), (4, 16, true), (6, 12, true), (0, 7, true), (0, 8, false)]),
    (
      "Mon-Fri 22:00-06:00", [(0, 21, false), (0, 22, true), (1, 5, true), (5, 5, true), (5, 22, false), (0, 3, false)]
    ),
    ("* 12:00-13:00", [(3, 12, true), (3, 13, false)]),
    ("Sat-Sun 00:00-24:00", [(4, 23, false), (5, 0, true), (6, 23, true), (0, 0, false)]),
    ("Sun 20:00-Mon 04:00", [(6, 21, true), (0, 3, true), (0, 4, false)]),
  ])
  func freezes(_ text: String, _ cases: [(day: Int, hour: Int, Bool)]) throws {
    let window = try FreezeWindow(text)
    for (day, hour, holds) in cases {
      // 1970-01-05 was a Monday.
      #expect(window.holds(atMs: Int64(4 + day) * 86_400_000 + Int64(hour) * 3_600_000) == holds, "\(day) \(hour)")
    }
  }

  @Test func readsMetrics() throws {
    #expect(try Metric("error_rate<1%").kind == .proportion(bad: .failed, limit: 0.01, factor: 1))
    #expect(
      try Metric("p99.9 < 1s").kind == .proportion(bad: .slower(microseconds: 1_000_000), limit: 0.001, factor: 1))
    #expect(try Metric("error_rate<baseline*1.5").kind == .proportion(bad: .failed, limit: nil, factor: 1.5))
    let query = try Metric("prometheus(http://10.0.0.1:9090, sum(rate(x[1m])) by (a, b)) < 0.5")
    #expect(
      query.kind
        == .prometheus(
          url: "http://10.0.0.1:9090", query: "sum(rate(x[1m])) by (a, b)", isBelow: true, limit: 0.5))
    for bad in [
      "error_rate<0", "error_rate", "p99<220ms", "p101<1s", "cpu<5", "webhook(ftp://x)", "error_rate<baseline*0.5",
    ] {
      #expect(throws: RoleError.self) { try Metric(bad) }
    }
    let near = #expect(throws: RoleError.self) { try Metric("p99<220ms") }
    #expect(near?.message.contains("take 200ms or 250ms") == true)
  }

  @Test func tellsTheTime() {
    #expect(Timestamp.text(0) == "1970-01-01T00:00:00.000Z")
    #expect(Timestamp.text(1_709_164_799_999) == "2024-02-28T23:59:59.999Z")
    #expect(Timestamp.text(1_709_251_200_000) == "2024-03-01T00:00:00.000Z")
  }

  @Test(arguments: [
    (#"{"user": "Ada", "n": [1, -2.5e3, true, null, "\u00e9 \" x"]}"#, true), ("  [ ]\n", true), ("\"é\"", true),
    ("{}x", false), ("{\"a\":}", false), ("01", false), ("\"\u{1}\"", false), ("", false), ("[1,]", false),
    ("nul", false), ("{\"a\" 1}", false), ("-", false), ("1.", false), (String(repeating: "[", count: 70), false),
  ])
  func scansJSON(_ text: String, _ isJSON: Bool) {
    let bytes = Array(text.utf8)
    #expect(bytes.withUnsafeBytes { JSONScan.value(in: $0) != nil } == isJSON)
    #expect((try? JSON(parsing: bytes)) != nil || !isJSON)
  }

  @Test func findsMembers() {
    func member(_ name: String, _ text: String) -> String? {
      let bytes = Array(text.utf8)
      return bytes.withUnsafeBytes { bytes in
        Array(name.utf8).withUnsafeBytes { JSONScan.member($0, in: bytes) }
          .map { String(decoding: bytes[$0], as: UTF8.self) }
      }
    }
    let text = #"{"a": {"user": "inner"}, "user" : "Ada", "n": 42}"#
    #expect(member("user", text) == "Ada")
    #expect(member("n", text) == "42")
    #expect(member("x", text) == nil)
    #expect(member("user", text + "}") == nil)
    #expect(Array("\"\u{FF}\"".unicodeScalars).count == 3)
    #expect([UInt8(0x22), 0xFF, 0x22].withUnsafeBytes { JSONScan.value(in: $0) } == nil)
  }
}

/// What comes from outside, and thousands of mutations of it.
@Suite struct RoutingFuzzTests {
  @Test func anyBytesAreReadOrRefused() throws { try fuzz("routing", fuzzRouting) }
}
