import Testing

/// kill -9 of gateways in turn: Tests/Interop/gateway_kills.py says how.
@Suite struct GatewayKillTests {
  @Test func nothingThatWasAcknowledgedIsLost() {
    let seconds = wantsLongTests ? "60" : "6"
    let kills = run([
      "timeout", "300", "/usr/bin/python3", "\(Place.repository)/Tests/Interop/gateway_kills.py", Place.products,
      "\(Place.repository)/SDK/proto", seconds,
    ])
    #expect(kills.code == 0, "\(kills.output)")
    #expect(kills.output.contains("nothing lost"), "\(kills.output)")
  }
}
