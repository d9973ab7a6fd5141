import CNodeABI
import HostCore
import HostRuntime
import NodeValues

/// What happens to a role that runs: its methods are called, its timers run out, its topics have news, its routes
/// requests, its services of gRPC calls. The same seed brings the same session.
struct Session {
  /// How often each method is called: first with small and friendly arguments, then with any.
  var rounds = 3
  var beats = 12
  var events = 2
  /// How many requests come to each route: first a friendly one, then any.
  var requests = 4

  func run(_ role: ScriptedRole) {
    let host = role.host
    var values = ValueMaker(seed: host.settings.seed)
    for round in 0..<rounds {
      for (index, method) in role.plugin.methods.enumerated() {
        role.call(index, values.arguments(of: method.description.signature, isTame: round == 0))
      }
      host.settle(role)
    }
    for _ in 0..<beats { host.advanceToNext(role) }
    for number in 0..<events {
      for pattern in patterns(host) {
        host.publish(topic(pattern), Array("event \(number)".utf8), role)
      }
      host.settle(role)
    }
    send(to: role)
    role.reportForwards()
    if role.plugin.description.needs.contains(where: { $0.id == NH_PEERS_ID }) { neighbours(role, &values) }
    // Long enough for every caller to give up.
    host.advance(by: ScriptedHost.callTimeout + 1, role)
    if let health = role.health() { host.record("health \(health.level) \(health.reason)") }
  }

  /// Requests to each route and calls of each service, whose answers may still be open afterwards.
  func send(to role: ScriptedRole) {
    let host = role.host
    var maker = RequestMaker(seed: host.settings.seed)
    var talks = TalkMaker(seed: host.settings.seed)
    for number in 0..<requests {
      for (handle, _) in host.routes.elements {
        // A request may have ended it.
        guard let route = host.routes[handle] else { continue }
        if route.isRpc {
          host.call(talks.talk(to: route, isTame: number == 0), on: route, role)
          continue
        }
        host.send(maker.request(to: route, isTame: number == 0), to: route, role)
      }
      host.settle(role)
    }
  }

  /// Another node comes, says something, and goes.
  private func neighbours(_ role: ScriptedRole, _ values: inout ValueMaker) {
    role.deliverLink(NH_EVENT_LINK_UP, 2)
    for channel in 0..<UInt32(events) { role.deliverMessage(2, channel, values.bytes()) }
    role.deliverLink(NH_EVENT_LINK_DOWN, 2)
    role.host.settle(role)
  }

  private func patterns(_ host: ScriptedHost) -> [String] {
    Set(host.subscriptions.elements.map(\.element.pattern)).sorted()
  }

  /// A topic that the pattern matches.
  private func topic(_ pattern: String) -> String {
    pattern.hasSuffix("*") ? pattern.dropLast() + "news" : pattern
  }
}
