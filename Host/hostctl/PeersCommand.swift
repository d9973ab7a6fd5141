import HostCore
import NodeValues

/// `hostctl peers`: the node's links to other nodes, and the switch that tests cut them with.
enum PeersCommand {
  static func run(_ invocation: Invocation) throws(CommandFailure) {
    switch invocation.arguments.first {
    case nil: try show(invocation)
    case "cut", "heal": try cut(invocation)
    case let word?:
      throw CommandFailure(
        "peers takes cut or heal, not \"\(word)\"", remedy: "See hostctl peers --help.", code: .usage)
    }
  }

  private static func cut(_ invocation: Invocation) throws(CommandFailure) {
    let isCut = invocation.arguments[0] == "cut"
    guard invocation.arguments.count == 2, let id = UInt32(invocation.arguments[1]) else {
      throw CommandFailure("\(invocation.arguments[0]) takes the id of a node, a whole number", code: .usage)
    }
    let written = invocation.value("direction") ?? PeerCut.Direction.both.rawValue
    guard let direction = PeerCut.Direction(rawValue: written) else {
      let known = PeerCut.Direction.allCases.map(\.rawValue).joined(separator: ", ")
      throw CommandFailure("--direction is one of \(known), not \"\(written)\"", code: .usage)
    }
    let request = ControlRequest.cutPeer(PeerCut(id: id, direction: direction, isCut: isCut))
    let answer = try NodeFinder.connect(invocation).ask(request)
    if invocation.has("json") { return try Output.json(answer) }
    try Output.write("the link to node \(id) is \(isCut ? "cut" : "healed")\n")
  }

  private static func show(_ invocation: Invocation) throws(CommandFailure) {
    let answer = try NodeFinder.connect(invocation).ask(.peers)
    if invocation.has("json") { return try Output.json(answer) }
    let peers = answer.list("peers")
    guard answer.text("proof") != "none" else {
      return try Output.write("\(answer.text("node")) has no links to other nodes: see `cluster` in its manifest.\n")
    }
    var table = Table([
      .init("ID", rightAligned: true), .init("NODE", shrinks: true), .init("ADDRESS", shrinks: true), .init("STATE"),
      .init("SINCE", rightAligned: true), .init("RTT", rightAligned: true), .init("SENT", rightAligned: true),
      .init("RECEIVED", rightAligned: true), .init("QUEUED", rightAligned: true), .init("DROPPED", rightAligned: true),
      .init("LINKS", rightAligned: true),
    ])
    for peer in peers { table.add(row(peer)) }
    try Output.table(table)
    for peer in peers where !peer.text("last_error").isEmpty {
      try note("node \(peer.text("id")): \(peer.text("last_error"))")
    }
    for stranger in answer.list("strangers") {
      try note("\(stranger.text("address")) is no peer: \(stranger.text("error")) (\(stranger.text("count")) times)")
    }
  }

  private static func row(_ peer: JSON) -> [Table.Cell] {
    let state = peer.text("state"), isUp = peer["up"]?.bool == true
    let since = peer["since_ms"]?.int.map { HumanUnits.duration(milliseconds: max(0, System.now - $0)) } ?? ""
    let roundTrip = peer["rtt_us"]?.int.map(HumanUnits.duration(microseconds:)) ?? ""
    return [
      .init(peer.text("id")), .init(peer.text("name")), .init(peer.text("address")),
      .init(state, isUp ? .green : state == "cut" ? .red : .yellow), .init(since), .init(isUp ? roundTrip : ""),
      .init(bytes(peer, "bytes_sent")), .init(bytes(peer, "bytes_received")), .init(bytes(peer, "bytes_queued")),
      .init(peer.text("messages_dropped")), .init(peer.text("links")),
    ]
  }

  private static func bytes(_ peer: JSON, _ key: String) -> String {
    peer[key]?.int.flatMap { UInt64(exactly: $0) }.map(HumanUnits.bytes) ?? ""
  }

  private static func note(_ text: String) throws(CommandFailure) {
    try Output.write(Output.style.paint("note: " + TextLayout.harmless(text), .yellow) + "\n")
  }
}
