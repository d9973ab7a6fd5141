import Glibc
@testable import HostRuntime
import NodeValues
import Testing

/// gRPC as Python's grpcio speaks it, as client of a role in C and as server that it calls: Tests/Interop has the
/// cases.
@Suite struct RpcInteropTests {
  /// With a forward table before the role, grpcio talks through another node to it.
  @Test(arguments: [false, true]) func grpcioAndARoleUnderstandEachOther(hasTableBetween: Bool) throws {
    let folder = Place.temporaryFolder()
    defer { run(["rm", "-rf", folder]) }
    let made = run(["sh", "-ec", Self.certificates, "certificates", folder])
    try #require(made.code == 0, "\(made.output)")
    Self.buildTalker(folder)
    let files = "tls: { certificate: \(folder)/localhost.pem, key: \(folder)/localhost.key"
    let live = LiveNode(
      folders: [folder],
      [("talker", "data"), ("safe", "safe"), ("strict", "strict")].map {
        "{ role: talker, name: \($0), config: { listener: \($1) }, restart: { policy: never }, "
          + "limits: { message_bytes: 100000000, calls: 4096 } }"
      },
      listen: [
        "data: { address: \"127.0.0.1:0\" }", "safe: { address: \"127.0.0.1:0\", \(files) } }",
        "strict: { address: \"127.0.0.1:0\", \(files), client_ca: \(folder)/ca.pem } }",
      ],
      sections: "client: { authority: \(folder)/ca.pem, certificate: \(folder)/client.pem, "
        + "key: \(folder)/client.key }")
    try live.serve()
    var ports = ["data", "safe", "strict"].map { live.node.services.http.listener($0)!.address.port }
    let front = hasTableBetween ? Self.front(of: ports[0]) : nil
    if let front { ports = [front.node.services.http.listener("data")!.address.port] }
    let addresses = ports.map { "localhost:\($0)" }
    // Debian's own Python, which has Debian's grpcio.
    // Python forgets to give memory back when it ends; that is not looked for here.
    let sanitizing = getenv("ASAN_OPTIONS").map { ["env", "ASAN_OPTIONS=\(String(cString: $0)):detect_leaks=0"] } ?? []
    let interop = run(
      sanitizing + [
        "timeout", "120", "/usr/bin/python3", "\(Place.repository)/Tests/Interop/grpc_interop.py",
        addresses.joined(separator: ","), "\(Place.products)/hostctl", live.socket, folder,
      ])
    #expect(interop.code == 0, "\(interop.output)")
    #expect(interop.output.contains(" checks"))
    if let front { Self.checkCounts(front) }
  }

  /// Two of the calls were to methods that nobody has, and the deadline of one passed; those that were refused for what
  /// they said are no failures of the upstream's.
  private static func checkCounts(_ front: LiveNode) {
    func sum(_ name: String) -> Double {
      front.node.services.metricsText.split(separator: "\n").filter { $0.hasPrefix("nodehost_forward_\(name)_total{") }
        .compactMap { Double($0.split(separator: " ").last ?? "") }.reduce(0, +)
    }
    eventually("counts are gathered") { sum("requests") > 2_000 && sum("failures") >= 2 }
    #expect(sum("failures") < 10)
  }

  private static func front(of port: UInt16) -> LiveNode {
    let table = "{\"upstreams\": [{\"id\": \"a\", \"url\": \"h2c://127.0.0.1:\(port)\"}], \"timeout_ms\": 60000}"
    return LiveNode(
      folders: [Place.products], ["{ role: router, config: { table: '\(table)' } }"],
      listen: ["data: { address: \"127.0.0.1:0\" }"])
  }

  static func buildTalker(_ folder: String) {
    let (code, output) = run([
      "cc", "-std=gnu11", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-I",
      "\(Place.repository)/SDK/CNodeABI/include", "-o", "\(folder)/libtalker.so",
      "\(Place.repository)/Tests/Fixtures/talker.c",
    ])
    precondition(code == 0, output)
  }

  /// One authority for two, and somebody else's.
  private static let certificates = """
    cd "$1"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key -out other.pem \
      -subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2
    for name in localhost client; do
      openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $name.key -out $name.csr -subj /CN=$name
      printf 'subjectAltName=DNS:%s' $name >ext
      openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -out $name.pem -days 2
    done
    """
}
