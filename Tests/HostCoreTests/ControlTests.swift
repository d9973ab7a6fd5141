import HostCore
import NodeValues
import Testing

private let someName = String(repeating: "0a", count: 32)

@Suite struct ControlTests {
  private func request(_ method: String, _ target: String, _ body: String = "") throws -> ControlRequest {
    try ControlRequest(try HTTPRequestHead(method: method, target: target), body: Array(body.utf8))
  }

  private func failure(_ method: String, _ target: String, _ body: String = "") -> ControlFailure? {
    do {
      _ = try request(method, target, body)
      return nil
    } catch { return error as? ControlFailure }
  }

  @Test(arguments: [
    ControlRequest.version, .status, .roles, .role("a/b é"), .reload, .health, .metrics(json: true),
    .peers, .cutPeer(PeerCut(id: 2, direction: .incoming, isCut: true)), .cutPeer(PeerCut(id: 2, isCut: false)),
    .metrics(json: false),
    .unload("x"), .restart("%"), .logs(LogQuery(lines: 0, role: "a&b=c", level: "info", follow: true)),
    .logs(LogQuery()),
    .call(role: "r", method: "m", CallRequest(.words(["2", "\"é"]), timeoutMilliseconds: 5)),
    .call(role: "r", method: "m", CallRequest(.arguments([1, nil, ["a": true]]))),
    .call(role: "r", method: "m", CallRequest(.words(["2"]), node: "node-b")),
    .load(LoadRequest(role: "hello", name: "hi", plugin: "/p.so", config: ["a": [1]])), .load(LoadRequest(role: "x")),
    .swap(SwapRequest(all: true)), .swap(SwapRequest(roles: ["a", "b/é"], force: true)),
    .swap(SwapRequest(roles: ["a"], plugin: "/p/liba.so")), .history("a/b"), .rollback("a", generation: 2),
    .rollback("b", generation: nil), .store(role: "a/b", .get(Array("tea cup?&".utf8))),
    .store(role: "a", .get([0, 255, 254])), .store(role: "a", .get([])),
    .store(role: "a", .list(StorePage(prefix: [200], after: [200, 0], limit: 7, withValues: true))),
    .store(role: "a", .list(StorePage())), .store(role: "a", .put([1, 2], Array("x\"y".utf8), expected: 0)),
    .store(role: "a", .put(Array("k".utf8), [], expected: nil)), .store(role: "a", .delete([255], expected: 9)),
    .rollback("b", generation: nil), .blobs(role: "r", .list(after: "ab", limit: 3)),
    .blobs(role: "r", .stat(someName, checks: true)), .blobs(role: "r", .stat(someName, checks: false)),
    .blobs(role: "r", .bytes(someName, offset: 7, length: 9)), .blobs(role: "a/b", .scrub),
    .blobs(role: "r", .scrubbed),
  ])
  func survivesTheWire(_ sent: ControlRequest) throws {
    let head = try HTTPRequestHead(method: sent.method, target: sent.target)
    #expect(try ControlRequest(head, body: sent.body.map(ControlAPI.body) ?? []) == sent)
  }

  @Test func headIsGet() throws {
    #expect(try request("HEAD", "/v1/roles") == .roles)
  }

  @Test func wrongMethodNamesTheRightOne() throws {
    let wrong = try #require(failure("POST", "/v1/roles"))
    #expect(wrong.httpStatus == 405)
    let text = String(decoding: wrong.response(keepAlive: false), as: UTF8.self)
    #expect(text.hasPrefix("HTTP/1.1 405 Method Not Allowed\r\n"))
    #expect(text.contains("allow: GET\r\n"))
    #expect(
      text.hasSuffix(
        #"{"error":{"code":"UNIMPLEMENTED","message":"/v1/roles takes GET, not POST","place":"http"}}"# + "\n"))
  }

  @Test(arguments: [
    ("GET", "/roles", "", "there is nothing at /roles; all paths begin with /v1/"),
    ("GET", "/v1/role", "", "there is nothing at /v1/role; did you mean /v1/roles?"),
    ("GET", "/v1/roles/", "", "there is nothing at /v1/roles/"),
    ("POST", "/v1/roles/a/call/b", "{", "the body is not JSON: byte 1: expected a key in quotes"),
    ("POST", "/v1/roles/a/call/b", "[]", "the body is a list, not an object"),
    ("POST", "/v1/roles/a/call/b", #"{"word":[]}"#, "the body has an unknown key \"word\"; did you mean \"words\"?"),
    ("POST", "/v1/roles/a/call/b", #"{"words":[2]}"#, "\"words\" is a list of texts; for values use \"arguments\""),
    ("POST", "/v1/roles/a/call/b", #"{"words":[],"arguments":[]}"#, "give either \"words\" or \"arguments\""),
    ("POST", "/v1/roles/a/call/b", #"{"timeout_ms":0}"#, "timeout_ms is a whole number from 1 to 3600000"),
    ("POST", "/v1/load", "{}", "\"role\" is missing: the id of the role to load"),
    ("POST", "/v1/load", #"{"role":1}"#, "\"role\" is text, not a whole number"),
    ("POST", "/v1/swap", "{}", #"give either "roles" or "all": true"#),
    ("POST", "/v1/swap", #"{"roles":["a"],"all":true}"#, #"give either "roles" or "all": true"#),
    ("POST", "/v1/swap", #"{"roles":["a","a"]}"#, #""roles" is a list of names, each once"#),
    ("POST", "/v1/swap", #"{"roles":["a",1]}"#, #""roles" is a list of names, each once"#),
    ("POST", "/v1/swap", #"{"roles":["a","b"],"plugin":"/x"}"#, #""plugin" goes with exactly one role"#),
    ("POST", "/v1/swap", #"{"all":true,"plugin":"/x"}"#, #""plugin" goes with exactly one role"#),
    ("POST", "/v1/swap", #"{"roles":["a"],"plugin":"x.so"}"#, #""plugin" is a file's absolute path, not "x.so""#),
    ("POST", "/v1/swap", #"{"all":1}"#, #""all" is true or false, not a whole number"#),
    (
      "POST", "/v1/roles/a/rollback", #"{"generation":0}"#,
      "generation is a whole number from 1; GET /v1/roles/a/history lists them"
    ),
    ("POST", "/v1/peers/2/cut", #"{"direction":"up"}"#, #""direction" is one of "both", "incoming", "outgoing""#),
    ("POST", "/v1/peers/02/cut", "", "there is nothing at /v1/peers/02/cut"),
    ("GET", "/v1/logs?lines=x", "", "lines is a whole number from 0 to 10000, not \"x\""),
    ("GET", "/v1/logs?level=warn", "", "level is one of trace, debug, info, warning, error, misuse, not \"warn\""),
    ("GET", "/v1/logs?role=a&folow=1", "", "logs does not know the setting \"folow\"; did you mean follow?"),
    ("GET", "/v1/metrics?format=xml", "", "format is text or json, not \"xml\""),
  ])
  func saysWhatIsWrong(_ method: String, _ target: String, _ body: String, _ message: String) {
    #expect(failure(method, target, body)?.message == message)
  }

  @Test func everyCodeHasANameAndAnHTTPStatus() {
    #expect(StatusCode.allCases.map(\.rawValue) == Array(0...16))
    for code in StatusCode.allCases { #expect(StatusCode(name: code.name) == code) }
    #expect(StatusCode.allCases.filter { $0.httpStatus < 400 } == [.ok])
    let failure = ControlFailure(.dataLoss, "gone", place: "store")
    #expect(ControlFailure(json: failure.json) == failure)
  }

  @Test func refusedBytesGetAnAnswerThatEndsTheConnection() {
    let text = String(decoding: ControlFailure.response(toRefused: 431, "too much"), as: UTF8.self)
    #expect(text.contains("Connection: close\r\n"))
    #expect(text.contains(#""code":"RESOURCE_EXHAUSTED","message":"too much""#))
  }

  @Test func reportsHaveTheirKeys() throws {
    let entry = RoleEntry(
      name: "hello", role: "hello", plugin: "hello", version: "1.0.0", language: "C", state: "running", health: "ok")
    #expect(
      keys(entry.json) == [
        "name", "role", "plugin", "version", "language", "state", "health", "reason", "uptime_ms", "generation",
        "isolation", "loop", "restarts",
      ])
    var description = RoleDescription(entry)
    let add = MethodShape(name: "add", signature: try Signature(parsing: "l(ll)"), parameterNames: ["a", "b"])
    description.methods = [.init(add, doc: "Adds.", idempotent: true)]
    #expect(
      keys(description.json).suffix(11)
        == [
          "description", "file", "sha256", "abi", "config_schema", "methods", "needs", "provides", "topics",
          "state_version", "may_unload", "simulatable",
        ].suffix(11))
    #expect(
      description.json["methods"]?[0]?.description
        == #"{"name":"add","doc":"Adds.","signature":"l(ll)","parameters":[{"name":"a","type":"int"},"#
        + #"{"name":"b","type":"int"}],"returns":"int","idempotent":true}"#)
    #expect(keys(NodeStatus().json) == ["node", "memory_bytes", "loops", "roles", "notes"])
    #expect(
      keys(ReloadOutcome().json)
        == ["added", "removed", "reconfigured", "restarted", "unchanged", "needs_node_restart"])
  }

  @Test func swapsAndHistoriesHaveTheirKeys() {
    let entry = SwapOutcome.Entry(
      role: "hello", generation: 3, version: "1.0.1", sha256: "ab", pauseMicroseconds: 210, stateBytes: 12)
    #expect(
      SwapOutcome(swapped: [entry], unchanged: ["b"], probationMilliseconds: 5000).json.description
        == #"{"swapped":[{"role":"hello","generation":3,"version":"1.0.1","sha256":"ab","pause_us":210,"#
        + #""state_bytes":12}],"unchanged":["b"],"probation_ms":5000}"#)
    var history = RoleHistory()
    history.quarantine("cd", because: "it crashed")
    #expect(
      history.report(role: "hello").description
        == #"{"role":"hello","generations":[],"quarantine":{"cd":"it crashed"}}"#)
    #expect(RoleHistory(history.report(role: "hello")) == history)
  }

  private func keys(_ json: JSON) -> [String] { json.object?.members.map(\.key) ?? [] }

  @Test func aNodeIsAsWellAsItsWorstRole() {
    var report = HealthReport(roles: [
      .init(name: "a", health: .ok), .init(name: "b", health: .degraded, reason: "slow"),
    ])
    #expect(report.health == .degraded && report.httpStatus == 200)
    report.roles.append(.init(name: "c", health: .failed))
    #expect(report.health == .failed && report.httpStatus == 503)
    #expect(HealthReport(roles: []).json.description == #"{"health":"ok","roles":[]}"#)
  }

  @Test func recordsAreFoundWhereTheyAreWritten() {
    func folder(_ set: [String: String]) -> String { RuntimeFolder.path(userID: 7) { set[$0] } }
    #expect(folder([:]) == "/tmp/nodehost-7")
    #expect(folder(["XDG_RUNTIME_DIR": "/run/user/7"]) == "/run/user/7/nodehost")
    #expect(folder(["XDG_RUNTIME_DIR": "/run/user/7", "NODEHOST_RUNTIME_DIR": "/x"]) == "/x")
    #expect(folder(["NODEHOST_RUNTIME_DIR": ""]) == "/tmp/nodehost-7")
    #expect(RuntimeFolder.fileName(of: "node-a") == "node-a.json")
    #expect(RuntimeFolder.fileName(of: "../x") == "%2E.%2Fx.json")
    let record = NodeRecord(name: "n", id: 1, pid: 2, socket: "/s", manifest: "/m", startedMilliseconds: 3)
    #expect(NodeRecord(file: record.file) == record)
    #expect(NodeRecord(file: Array("{}".utf8)) == nil)
    #expect(NodeRecord(file: [0xFF]) == nil)
  }

  @Test func aFolderOfOthersIsNotBelieved() {
    func distrust(_ isFolder: Bool, _ owner: UInt32, _ mode: UInt32) -> String? {
      RuntimeFolder.distrust(isFolder: isFolder, ownerID: owner, mode: mode, userID: 7)
    }
    #expect(distrust(true, 7, 0o40700) == nil)
    #expect(distrust(false, 7, 0o100700) == "it is not a folder")
    #expect(distrust(true, 8, 0o40700) == "it belongs to user 8, not to 7")
    #expect(distrust(true, 7, 0o40755) == "others may use it (mode 0755); repair it with chmod 700")
  }
}
