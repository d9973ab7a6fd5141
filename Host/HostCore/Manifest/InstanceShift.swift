/// Lets several nodes run from one manifest on one machine.
///
/// Instance 1 is the manifest as it stands. Instance N has `-N` behind the node's name and its state folder, and all
/// ports that the node opens are higher by (N - 1) · `node.port_stride`; port 0 stays 0. The control socket follows the
/// state folder; one that lies elsewhere gets `-N` before its ending. The node's id stays: nodes of one cluster need
/// `--set node.id=…` as well.
struct InstanceShift {
  let instance: Int
  /// What is added to each port.
  let ports: Int
  private let state: String

  init(of node: NodeSettings) {
    instance = node.instance
    ports = (node.instance - 1) * node.portStride
    state = node.state
  }

  func shifted(_ node: NodeSettings) -> NodeSettings {
    guard instance > 1 else { return node }
    var node = node
    node.name += "-\(instance)"
    node.state = shiftedState
    return node
  }

  private var shiftedState: String {
    guard instance > 1 else { return state }
    var folder = state[...]
    while folder.count > 1, folder.hasSuffix("/") { folder = folder.dropLast() }
    return "\(folder)-\(instance)"
  }

  /// Nil if the port would be too high.
  func shifted(_ endpoint: Endpoint) -> Endpoint? {
    guard endpoint.port != 0 else { return endpoint }
    guard let port = UInt16(exactly: Int(endpoint.port) + ports) else { return nil }
    return Endpoint(host: endpoint.host, port: port)
  }

  /// The socket's path for this instance, from the one that was written or left out.
  func socket(_ written: String?) -> String {
    guard let written else { return PathText.resolve(ManifestDefaults.controlSocket, in: shiftedState) }
    guard instance > 1 else { return written }
    if let rest = PathText.remainder(of: written, below: state) { return PathText.resolve(rest, in: shiftedState) }
    let ending = ".sock"
    return written.hasSuffix(ending)
      ? "\(written.dropLast(ending.count))-\(instance)\(ending)" : "\(written)-\(instance)"
  }
}
