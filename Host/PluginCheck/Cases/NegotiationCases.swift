import CNodeABI
import HostCore

/// Hosts that are older, newer, or of another kind than the plugin.
enum NegotiationCases {
  static let all = [
    CheckCase(
      .negotiation, "older-host", "the plugin reads nothing beyond what the first host lends it",
      remedy: "take lengths from nh_str, not from a terminating zero, and read no table beyond its struct_size"
    ) { subject in
      let run = try Runnable(subject)
      // Every table, struct and text ends where a page begins that nobody may touch.
      let answer = run.plugin.ask(edge: .guarded) {
        $0.revision = 1
        $0.revision_least = 1
        $0.revision_most = 1
      }
      try requireAccepted(answer, by: run, "a host of revision 1")
      _ = try? run.life(
        on: run.host {
          $0.edge = .guarded
          $0.revision = 1
          $0.withholds = .optional
        })
      return ""
    },
    CheckCase(
      .negotiation, "newer-host", "the plugin works with a host whose tables are longer",
      remedy: "never refuse a table for its size; read the part that you know"
    ) { subject in
      let run = try Runnable(subject)
      let answer = run.plugin.ask(edge: .poisoned) {
        $0.struct_size += UInt32(EdgeMemory.margin)
        $0.revision = 99
        $0.revision_most = 99
        $0.abi_major_most = NH_ABI_MAJOR + 1
      }
      try requireAccepted(answer, by: run, "a host of revisions 1 to 99")
      try run.life(
        on: run.host {
          $0.hasLargerTables = true
          $0.revision = 99
        })
      return ""
    },
    CheckCase(
      .negotiation, "other-major", "the plugin refuses a host of another ABI major, and says why",
      remedy: "begin nh_plugin_query with `if (!nh_offer_fits(offer)) return nh_refuse_offer(error);`"
    ) { subject in
      try requireRefusal(subject, "a host that speaks ABI majors 2 to 3") {
        $0.abi_major_least = NH_ABI_MAJOR + 1
        $0.abi_major_most = NH_ABI_MAJOR + 2
      }
    },
    CheckCase(
      .negotiation, "other-layout", "the plugin refuses a host whose structs are laid out otherwise, and says why",
      remedy: "begin nh_plugin_query with `if (!nh_offer_fits(offer)) return nh_refuse_offer(error);`"
    ) { subject in
      try requireRefusal(subject, "a host of another layout") { $0.layout ^= 1 }
    },
    CheckCase(
      .negotiation, "declared-services", "the plugin asks for the services that it declares, and for no others",
      remedy: "list every service in nh_plugin.needs, optional ones with `required` 0, each with the layout beside "
        + "its id"
    ) { subject in
      let run = try Runnable(subject)
      let host = run.host()
      try run.life(on: host)
      for request in host.serviceRequests {
        guard let need = run.plugin.description.needs.first(where: { $0.id == request.id }) else {
          throw CaseFailure("it asks for \(request.id), which is not among its needs")
        }
        guard need.layout == request.layout else {
          throw CaseFailure("it asks for \(request.id) with another layout than its needs say")
        }
      }
      return ""
    },
    CheckCase(
      .negotiation, "unknown-services", "the plugin copes with a host that knows none of its services",
      remedy: "compare what get_service returns with null before using it; start may fail"
    ) { subject in
      let run = try Runnable(subject)
      do {
        try run.life(on: run.host { $0.withholds = .everything })
        return "runs without"
      } catch {
        return "start refuses"
      }
    },
    CheckCase(
      .negotiation, "same-answer", "nh_plugin_query gives the same answer each time and on every thread",
      remedy: "give out one table that never changes"
    ) { subject in
      let plugin = try OpenPlugin(subject)
      let again = plugin.ask()
      guard again.status == NH_OK, again.table == plugin.table else {
        throw CaseFailure("the second answer differs from the first")
      }
      let elsewhere = OtherThread.run { plugin.ask().table == plugin.table }
      guard elsewhere == true else { throw CaseFailure("the answer on another thread differs") }
      return ""
    },
  ]

  private static func requireAccepted(_ answer: OpenPlugin.Answer, by run: Runnable, _ host: String) throws {
    guard answer.status == NH_OK, answer.table != nil else {
      throw CaseFailure("it refuses \(host) with \(StatusCode.words(answer.status)): \(answer.message)")
    }
  }

  private static func requireRefusal(
    _ subject: CaseSubject, _ host: String, _ change: (inout nh_host_offer) -> Void
  ) throws -> String {
    let plugin = try OpenPlugin(subject)
    let answer = plugin.ask(change: change)
    guard answer.status != NH_OK else { throw CaseFailure("it accepts \(host)") }
    guard !answer.message.isEmpty else { throw CaseFailure("it refuses \(host) without a word") }
    // The header allows a host that has no room for an error.
    guard plugin.askWithoutError(change: change).status != NH_OK else {
      throw CaseFailure("it accepts \(host) if that has no room for an error")
    }
    return ""
  }
}
