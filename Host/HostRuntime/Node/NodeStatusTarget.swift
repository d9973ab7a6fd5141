import HostCore
import NodeValues

/// What a listener with `status: on` answers for whoever watches the node from outside.
final class NodeStatusTarget: RequestTarget {
  private enum Question {
    /// Whether the process answers at all.
    case isAlive
    /// Whether it should get requests.
    case isReady
    /// For Prometheus.
    case metrics
  }

  private unowned let node: Node
  private let question: Question

  private init(_ node: Node, _ question: Question) {
    self.node = node
    self.question = question
  }

  static func add(to listener: HTTPListener, of node: Node) {
    for (path, question) in [("/healthz", Question.isAlive), ("/readyz", .isReady), ("/metrics", .metrics)] {
      guard let pattern = try? RoutePattern(path) else { continue }
      _ = listener.add(method: "GET", pattern, NodeStatusTarget(node, question))
    }
  }

  func home(awayFrom loop: EventLoop) -> EventLoop? { nil }

  func begin(_ exchange: ServerExchange) {
    node.control.post { [self] in
      switch question {
      case .isAlive: exchange.onItsLoop { $0.answer(200, "text/plain; charset=utf-8", "alive\n") }
      case .metrics:
        let text = node.services.metrics.text()
        exchange.onItsLoop { $0.answer(200, ControlAPI.metricsType, text) }
      case .isReady: tellReadiness(exchange)
      }
    }
  }

  private func tellReadiness(_ exchange: ServerExchange) {
    node.gatherHealth(of: node.roles) { [node] entries in
      let health = HealthReport(roles: entries)
      let isReady = node.hasBeenReady && !node.isEnding && health.health != .failed
      let report: JSON = [
        "ready": .bool(isReady), "health": .string(health.health.rawValue), "roles": health.json["roles"] ?? [],
      ]
      let text = "\(report)\n"
      exchange.onItsLoop { $0.answer(isReady ? 200 : 503, "application/json", text) }
    }
  }
}
