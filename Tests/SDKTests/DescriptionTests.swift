import CNodeABI
import Testing

/// The headers as data say what a reader of the headers would say.
@Suite struct DescriptionTests {
  struct Expected: Sendable { var function: String, signature: String, place: String, isOptional: Bool }

  static let expected = [
    Expected(
      function: "nh_host.get_service", signature: "p(<nh_host>sL)", place: "loop & (starting | running)",
      isOptional: false),
    Expected(function: "nh_host.now", signature: "l(<nh_host>I)", place: "any & !creating", isOptional: false),
    Expected(
      function: "nh_timer_service.every", signature: "h(pllL)", place: "loop & (starting | running)",
      isOptional: false),
    Expected(
      function: "nh_roles_service.call", signature: "h(psss[nh_value_list]lL)", place: "loop & (starting | running)",
      isOptional: false),
    Expected(
      function: "nh_answer.reply", signature: "t(ph{nh_value})", place: "any & (running | stopping)",
      isOptional: false),
    Expected(
      function: "nh_plugin.create", signature: "t(<nh_host>jP<nh_error>)", place: "any & creating", isOptional: false),
    Expected(
      function: "nh_plugin.on_event", signature: "v(p<nh_event>)", place: "loop & running", isOptional: true),
  ]

  @Test(arguments: expected)
  func derives(_ expected: Expected) throws {
    let member = try #require(Self.members()[expected.function])
    #expect(String(cString: member.signature) == expected.signature)
    #expect(String(cString: member.where) == expected.place)
    #expect((member.optional == 1) == expected.isOptional)
  }

  @Test func everyServiceHasItsIDAndLayout() {
    var services: [String: UInt64] = [:]
    Self.forEachStruct { services[String(cString: $0.service)] = $0.layout }
    services[""] = nil
    #expect(services.count == 14)
    #expect(services[NH_TIMER_ID] == NH_TIMER_LAYOUT)
    #expect(services[NH_WORK_ID] == NH_WORK_LAYOUT)
  }

  private static func forEachStruct(_ body: (nh_described_struct) -> Void) {
    var next = nh_first_described()
    while next.pointee.name.pointee != 0 {
      body(next.pointee)
      next += 1
    }
  }

  private static func members() -> [String: nh_described_member] {
    var found: [String: nh_described_member] = [:]
    forEachStruct { table in
      for index in 0..<Int(table.member_count) {
        let member = table.members[index]
        found[String(cString: table.name) + "." + String(cString: member.name)] = member
      }
    }
    return found
  }
}
