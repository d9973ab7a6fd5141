import CNodeABI
import HostCore
import NodeValues

/// Forward tables. There are no connections that they could steer, but what they count is told.
extension ScriptedHost {
  static let forwardLimit = 64

  struct Forward {
    unowned var owner: ScriptedRole
    var table: ForwardTable
    var token: UInt64
  }
}

extension ScriptedRole {
  func forward(
    _ previous: nh_handle, _ text: String, _ token: UInt64, _ error: UnsafeMutablePointer<nh_error>?
  ) -> nh_handle {
    guard host.permits(.forward, self) else {
      refuse(ForwardTableFault(place: "/listener", words: "there is no such listener"), error)
      return 0
    }
    do throws(ForwardTableFault) {
      let table = try ForwardTable(parsing: text)
      host.record("forwards \(text)")
      return try put(ScriptedHost.Forward(owner: self, table: table, token: token), previous)
    } catch let fault {
      refuse(fault, error)
      return 0
    }
  }

  private func put(_ forward: ScriptedHost.Forward, _ previous: nh_handle) throws(ForwardTableFault) -> nh_handle {
    if previous != 0 {
      guard host.forwards[previous] != nil else {
        throw ForwardTableFault(place: "", words: "there is no such table to replace")
      }
      if host.forwards[previous]?.owner === self {
        host.forwards[previous] = forward
      } else {
        host.handover?.forwards[previous] = forward.token
      }
      return previous
    }
    let same = host.forwards.elements.first { $0.element.isSamePlace(as: forward) }
    if let same {
      guard let handover = host.handover, handover.new === self, phase == .starting, same.element.owner === handover.old
      else { throw ForwardTableFault(place: "/prefix", words: "`\(forward.table.prefix)` is taken by another table") }
      host.handover?.forwards[same.handle] = forward.token
      return same.handle
    }
    guard host.forwards.elements.count(where: { $0.element.owner === self }) < ScriptedHost.forwardLimit,
      let handle = host.forwards.insert(forward)
    else {
      throw ForwardTableFault(place: "", words: "the role has \(ScriptedHost.forwardLimit) tables, which is the limit")
    }
    return handle
  }

  private func refuse(_ fault: ForwardTableFault, _ error: UnsafeMutablePointer<nh_error>?) {
    host.lender.text(fault.place) { place in
      host.lender.text(fault.words) { _ = nh_fail(error, NH_INVALID_ARGUMENT, place, $0) }
    }
  }

  /// A second has passed, in which each upstream has got some requests.
  func reportForwards() {
    for (handle, forward) in host.forwards.elements where forward.owner === self {
      let upstreams = forward.table.upstreams.map { upstream -> JSON in
        let requests = Int(host.numbers.next() % 100)
        return [
          "id": .string(upstream.id), "healthy": true, "ejected": false, "requests": JSON(requests),
          "answers": ["1xx": 0, "2xx": JSON(requests), "3xx": 0, "4xx": 0, "5xx": 0], "failures": 0, "retries": 0,
          "ejections": 0, "latency_us": ["bounds": [1_000], "counts": [JSON(requests), 0]],
        ]
      }
      let report: JSON = [
        "listener": "data", "prefix": .string(forward.table.prefix), "upstreams": .array(upstreams),
      ]
      host.lender.bytes(Array(report.description.utf8)) { bytes in
        var event = nh_event()
        (event.kind, event.handle, event.token) = (NH_EVENT_FORWARD_STATS, handle, forward.token)
        event.payload = bytes
        deliver(event)
      }
    }
  }
}

extension ScriptedHost.Forward {
  fileprivate func isSamePlace(as other: Self) -> Bool {
    table.listener == other.table.listener && table.prefix == other.table.prefix
  }
}
