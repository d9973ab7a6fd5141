import FuzzSupport
import NodeKit
import Testing

@testable import FlotillaCore

/// What Flotilla's own programs send.
@Suite struct MessageTests {
  static let original = """
    {"3f2a9c01-77aa-4c1e-9d0e-6a5a51c0ffee": {"payload": {"type": "client", "timestamp": 1732250000.123,
     "grpc_ep": "10.0.0.7:50053", "cluster_id": 0, "hw_info": {"cores": 4}, "datasets":
     {"MNIST": {"dataset_details": {"dataset_id": "MNIST"}}}, "models": {"LeNet5": "0x1f"}, "benchmark_info": {},
     "name": "pi_1"}}}
    """

  static func client(_ payload: String) -> [UInt8] { Array("{\"c\": {\"payload\": \(payload)}}".utf8) }

  @Test func anOriginalClientIsRead() throws {
    let advert = try ClientAdvert(Array(Self.original.utf8))
    #expect(advert.id == "3f2a9c01-77aa-4c1e-9d0e-6a5a51c0ffee" && advert.name == "pi_1")
    #expect(advert.address == "10.0.0.7" && advert.port == 50053 && advert.service.isEmpty)
    #expect(advert.dataSets.members.map(\.key) == ["MNIST"] && advert.models == ["LeNet5"])
    #expect(advert.hardware == ["cores": 4] && advert.clusterID == 0)
  }

  @Test func whatIsWrittenIsRead() throws {
    var advert = ClientAdvert(id: "a", name: "b", address: "fe80::1", port: 9)
    advert.service = ClientAdvert.service
    advert.models = ["m"]
    advert.dataSets["d"] = ["samples": 7]
    let message = advert.message(timestamp: 1.5)
    #expect(message["a"]?["payload"]?["grpc_ep"] == "[fe80::1]:9" && message["a"]?["payload"]?["timestamp"] == 1.5)
    #expect(try ClientAdvert(Array(message.description.utf8)) == advert)

    var server = ServerAdvert(clientTopic: "clients", heartbeatInterval: .milliseconds(2500))
    server.hardware = [:]
    let text = server.message(timestamp: 2.25).description
    #expect(
      text == """
        {"type":"server","timestamp":2.25,"grpc_ep":null,"mqtt_client_topic":"clients","cluster_id":null,\
        "heartbeat_interval":2.5,"hw_info":{}}
        """)
    #expect(try ServerAdvert(Array(text.utf8)) == server)
    #expect(try Heartbeat(Array(Heartbeat(id: "x").message(timestamp: 3).description.utf8)) == Heartbeat(id: "x"))
  }

  /// Lists of names are as good as objects; what is left out is nothing.
  @Test func aSparseClientIsReadToo() throws {
    let advert = try ClientAdvert(Self.client(#"{"grpc_ep": "localhost:1", "models": ["a", "b"], "datasets": null}"#))
    #expect(advert.name == "c" && advert.models == ["a", "b"] && advert.dataSets.members.isEmpty)
  }

  @Test(arguments: [
    ("", "no JSON"), ("[]", "a list"), ("{}", "one client"), (#"{"a":{},"b":{}}"#, "one client"),
    (#"{"a":{"payload":3}}"#, "payload"), (#"{"":{"payload":{}}}"#, "0 bytes"),
    (#"{"c":{"payload":{"grpc_ep":"x"}}}"#, "no address"), (#"{"c":{"payload":{"grpc_ep":"x:0"}}}"#, "no address"),
    (#"{"c":{"payload":{"grpc_ep":"x:65536"}}}"#, "no address"), (#"{"c":{"payload":{"grpc_ep":":1"}}}"#, "no address"),
    (#"{"c":{"payload":{"grpc_ep":"a/b:1"}}}"#, "no address"), (#"{"c":{"payload":{}}}"#, "is null"),
    (#"{"c":{"payload":{"grpc_ep":"a:1","name":"x\u0007"}}}"#, "control characters"),
    (#"{"c":{"payload":{"grpc_ep":"a:1","type":"server"}}}"#, "\"client\" is meant"),
    (#"{"c":{"payload":{"grpc_ep":"a:1","datasets":7}}}"#, "an object by names"),
  ])
  func nonsenseIsRefused(_ text: String, _ words: String) {
    let error = #expect(throws: RoleError.self) { try ClientAdvert(Array(text.utf8)) }
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
  }

  @Test func whatIsTooLongIsRefused() {
    let many = (0...1_000).map { "\"d\($0)\"" }.joined(separator: ",")
    #expect(throws: RoleError.self) { try ClientAdvert(Self.client("{\"grpc_ep\":\"a:1\",\"models\":[\(many)]}")) }
    let long = String(repeating: "x", count: 201)
    #expect(throws: RoleError.self) { try ClientAdvert(Self.client("{\"grpc_ep\":\"a:1\",\"name\":\"\(long)\"}")) }
    #expect(throws: RoleError.self) { try Heartbeat(Array("{\"id\":\"\(long)\"}".utf8)) }
  }

  /// What only people read is left out if it is long.
  @Test func longDetailsAreLeftOut() throws {
    let long = String(repeating: "x", count: 5_000)
    let advert = try ClientAdvert(Self.client(#"{"grpc_ep":"a:1","hw_info":{"x":"\#(long)"}}"#))
    #expect(advert.hardware == .null)
  }

  @Test(arguments: [
    "{}", #"{"mqtt_client_topic":"a/#","heartbeat_interval":5}"#, #"{"mqtt_client_topic":"a"}"#,
    #"{"mqtt_client_topic":"a","heartbeat_interval":0}"#, #"{"mqtt_client_topic":"a","heartbeat_interval":"5"}"#,
    #"{"mqtt_client_topic":"a","heartbeat_interval":1e9}"#,
  ])
  func serversThatTellNothingOfUseAreRefused(_ text: String) {
    #expect(throws: RoleError.self) { try ServerAdvert(Array(text.utf8)) }
  }

  @Test func noBytesEndTheReaders() throws {
    try fuzz("flotilla") { fuzzFlotilla($0) }
  }
}

extension String {
  func contains(_ words: String) -> Bool {
    utf8.count >= words.utf8.count && indices.contains { self[$0...].hasPrefix(words) }
  }
}
