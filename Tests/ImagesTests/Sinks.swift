import NodeTesting

@testable import ImagesCore

/// The role as its plugin makes it.
final class TestSink: Role {
  static let about = About("images", version: "1.0.0", "The image sink under test.")
  static let needs: [Need] = [.peers, .store, .blob, .http, .work, .timer, .random, .bus, .roles, .metrics]
  static let methods = [
    Method("status()", "", idempotent: true, status), Method("verify()", "", verify),
    Method("stat(id)", "", idempotent: true, stat), Method("rotate_key(key)", "", rotate),
  ]
  static let topics = [Topic("images.stored", ""), Topic("images.removed", "")]

  let images: ImagesNode

  init(_ context: RoleContext, _ config: ImagesSettings) throws { images = try ImagesNode(context, config) }
  func start() throws { try images.start() }
  func status() -> JSON { images.status() }
  func verify(_ reply: Reply<JSON>) { images.verify(reply) }
  func stat(_ id: String) throws -> JSON { try images.stat(id) }
  func rotate(_ key: String) throws -> JSON { try images.rotate(to: key) }
}

/// Several sinks that are linked, and a test that plays the electors.
final class Sinks {
  let network = FakeNetwork()
  private(set) var hosts: [FakeHost] = []
  private(set) var term: UInt64 = 0
  private var leader: Int?

  init(_ count: Int = 3, _ config: JSON = [:], start: Bool = true) throws {
    for id in 1...count {
      var settings = config.object ?? JSONObject()
      settings["address"] = .string(":700\(id)")
      let host = try FakeHost(TestSink.self, config: .object(settings), node: "node-\(id)", id: id, seed: UInt64(id))
      hosts.append(host)
    }
    for host in hosts { try network.join(host) }
    if start { for host in hosts { try host.start() } }
    pass(.milliseconds(10))
  }

  subscript(id: Int) -> FakeHost { hosts[id - 1] }
  func sink(_ id: Int) -> ImagesNode { self[id].role(as: TestSink.self)!.images }

  func pass(_ time: Duration) { network.advance(by: time) }

  /// The electors of all nodes that `hear` it say that a node leads, which is sure of it for a while.
  func elect(_ id: Int, hear: [Int]? = nil, for length: Duration = .seconds(1000), wait: Duration = .milliseconds(100))
  {
    term += 1
    leader = id
    for (place, host) in hosts.enumerated() where hear?.contains(place + 1) ?? true {
      host.publish(
        "leader.changed",
        ["leader": JSON(id), "term": JSON(term), "node": JSON(place + 1), "self": .bool(place + 1 == id)] as JSON)
    }
    lease(id, term, length)
    pass(wait)
  }

  func lease(_ id: Int, _ term: UInt64, _ length: Duration) {
    let microseconds = Int64(length / .microseconds(1))
    let end = self[id].clock.now.advanced(by: length).nanoseconds
    self[id].publish(
      "leader.lease",
      ["node": JSON(id), "term": JSON(term), "for_us": .int(microseconds), "until_ns": .int(end)] as JSON)
  }

  /// Sends an image and waits for the answer.
  @discardableResult
  func put(_ bytes: [UInt8], at id: Int, _ headers: HTTPHeaders = [], wait: Duration = .milliseconds(200))
    -> PendingRequest
  {
    var headers = headers
    headers.append(HTTPHeader("content-length", "\(bytes.count)"))
    let request = self[id].request("PUT", "/images", headers: headers, body: bytes)
    pass(wait)
    return request
  }

  func get(_ path: String, at id: Int, _ headers: HTTPHeaders = [], _ method: String = "GET") -> PendingRequest {
    let request = self[id].request(method, path, headers: headers)
    pass(.milliseconds(100))
    return request
  }

  func id(of request: PendingRequest) throws -> String { try request.json()["id"]?.string ?? "" }

  /// A node loses its power and comes back with what its disk had.
  func restart(_ id: Int) throws {
    let old = self[id]
    network.crash(old)
    let new = try FakeHost(
      TestSink.self, config: ["address": .string(":700\(id)")], node: "node-\(id)", id: id, seed: UInt64(id) + term)
    (new.store, new.blobs) = (old.store, old.blobs)
    hosts[id - 1] = new
    try network.join(new)
    try new.start()
    pass(.milliseconds(10))
  }
}
