import Glibc
@testable import HostRuntime
import Testing

/// Python's grpcio as client of the discovery gateway: Tests/Interop/gateway.py has the cases.
@Suite struct GatewayInteropTests {
  @Test func grpcioClientsFindOneAnother() throws {
    let live = LiveNode(
      folders: [Place.products],
      [
        "{ role: gateway, limits: { message_bytes: 1048576 }, config: { history_limit: 500 } }",
        "{ role: gateway, name: guarded, config: { listener: guarded, token: all, tokens: { 1: one, 2: two }, "
          + "node_limit: 2, watcher_limit: 1, retry_after_ms: 700, node_timeout_seconds: 0.5, "
          + "heartbeat_interval_seconds: 0.2 } }",
      ],
      listen: ["data: { address: \"127.0.0.1:0\" }", "guarded: { address: \"127.0.0.1:0\" }"])
    try live.serve()
    let addresses = ["data", "guarded"].map { "127.0.0.1:\(live.node.services.http.listener($0)!.address.port)" }
    let sanitizing = getenv("ASAN_OPTIONS").map { ["env", "ASAN_OPTIONS=\(String(cString: $0)):detect_leaks=0"] } ?? []
    let interop = run(
      sanitizing + [
        "timeout", "120", "/usr/bin/python3", "\(Place.repository)/Tests/Interop/gateway.py", addresses[0],
        addresses[1], "\(Place.products)/hostctl", live.socket, "\(Place.repository)/SDK/proto",
      ])
    #expect(interop.code == 0, "\(interop.output)")
    #expect(interop.output.contains(" checks"))
  }
}
