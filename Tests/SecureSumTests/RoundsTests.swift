import NodeKit
import NodeTesting
import Testing

@testable import SecureSum

private final class Taker: Role {
  static let about = About("taker", version: "0.0.0", "Takes part in rounds.")
  static let needs: [Need] = [.random, .work, .rpc]
  let rounds: SecureRounds
  let context: RoleContext
  init(_ context: RoleContext, _ config: NoConfig) { (self.context, rounds) = (context, SecureRounds(context)) }

  func start() throws {
    try context.rpc.unary("/s.S/Secure") { [rounds] call, request in
      rounds.answer(request) { result in
        do { try call.answer(result.get()) } catch { try? call.fail(RoleError(error)) }
      }
    }
  }
}

/// The keeper of a trainer's rounds, on fake hosts.
@Suite struct RoundsTests {
  private func ask(_ host: FakeHost, _ request: SecureRequest) throws -> SecureAnswer {
    let call = host.rpc("/s.S/Secure", request.bytes)
    host.clock.advance(by: .milliseconds(10))
    guard call.status == .ok else { throw RoleError(call.status ?? .unknown, call.ending?.message ?? "") }
    return try SecureAnswer(call.messages[0])
  }

  @Test func aRoundIsPlayed() throws {
    let hosts = try (0..<2).map { index in
      let host = try FakeHost(Taker.self, seed: UInt64(index + 1))
      try host.start()
      return host
    }
    let plan = try SecurePlan(round: "r", threshold: 2, participants: 2, count: 3, range: 1, weightLimit: 5)
    var server = SecureServer(plan)
    for (index, host) in hosts.enumerated() {
      guard case .keys(let advert) = try ask(host, .begin(plan)) else { throw RoleError(.internal, "no keys") }
      try server.advertised("t\(index)", advert)
      #expect(throws: RoleError.self) { try ask(host, .begin(plan)) }
    }
    for (host, (name, roster)) in zip(hosts, try server.closeKeys()) {
      guard case .shares(let shares) = try ask(host, .roster(round: "r", roster)) else {
        throw RoleError(.internal, "no shares")
      }
      try server.shared(name, shares)
    }
    for (host, (_, shares)) in zip(hosts, try server.closeShares()) {
      let rounds = try #require(host.role(as: Taker.self)).rounds
      #expect(throws: RoleError.self) { try rounds.takeMasking(of: "r") }
      #expect(try ask(host, .deliver(round: "r", shares)) == .ready)
      _ = try rounds.takeMasking(of: "r").mask([1, 2, 3], weight: 1)
      #expect(throws: RoleError.self, "masks are taken once") { try rounds.takeMasking(of: "r") }
      #expect(throws: RoleError.self) { try rounds.takeMasking(of: "other") }
    }
    let unmask = SecureUnmask(survivors: [1, 2], gone: [])
    guard case .revealed = try ask(hosts[0], .unmask(round: "r", unmask)) else {
      throw RoleError(.internal, "no shares")
    }
    #expect(throws: RoleError.self) { try ask(hosts[0], .unmask(round: "r", SecureUnmask(survivors: [1], gone: [2]))) }
    #expect(throws: RoleError.self) { try ask(hosts[0], .unmask(round: "old", unmask)) }
  }

  @Test func oldRoundsAreForgotten() throws {
    let host = try FakeHost(Taker.self)
    try host.start()
    for number in 0..<40 {
      let plan = try SecurePlan(
        round: "r\(number)", threshold: 2, participants: 2, count: 3, range: 1, weightLimit: 5)
      _ = try ask(host, .begin(plan))
    }
    #expect(try #require(host.role(as: Taker.self)).rounds.count == SecureRounds.limit)
  }
}
