import CFFI
import CNodeABI
import Glibc
import HostCore
import HostRuntime
import NodeValues

/// What crossing the ABI costs, beside the bare machinery below it.
enum CallBenchmark {
  static func run(_ folder: String) {
    let library = load("adder", in: folder)
    let loop = EventLoop(index: 1, name: "bench")
    loop.adoptThisThread()
    let services = NodeServices(nodeName: "bench", nodeID: 1, log: LogHub(writesToStandardError: false))
    let seat = RoleSeat(name: "adder", loop: loop, node: services, limits: LimitSettings())
    let role = RoleInstance(seat, library: library)
    try! role.create(config: "{}")
    try! role.start()
    callback(role)
    typedCall(role)
    role.end()
  }

  static func load(_ plugin: String, in folder: String) -> PluginLibrary {
    let text = "{ nodehost: 1, node: { id: 1 }, roles: [{ role: \(plugin) }] }"
    let none = Interpolation(variable: { _ in nil }, file: { _ in .success("") })
    let manifest = try! ManifestFile.parse(Array(text.utf8), named: "bench.yaml", values: none).manifest
    let loader = PluginLoader(
      folders: PluginFolders([folder]), cache: PluginCache(folder: folder + "/cache"),
      executable: ownFolder + "/nodehost")
    return try! loader.load(manifest.roles[0], allow: [:]).library
  }

  private static func callback(_ role: RoleInstance) {
    let function = role.library.table.pointee.on_timer!
    let context = role.role
    let (ours, peer) = Measure.pair(
      rounds: 20_000_000,
      { for round in 0..<$0 { role.deliverTimer(1, token: UInt64(truncatingIfNeeded: round)) } },
      { for round in 0..<$0 { function(context, 1, UInt64(truncatingIfNeeded: round)) } })
    Measure.report(
      "role callback through the ABI", ours, peer, unit: "ns", peerName: "C function pointer", aim: "3 x, 10 ns")
  }

  private static func typedCall(_ role: RoleInstance) {
    let method = role.method("add")!
    let slots = UnsafeMutablePointer<nh_slot>.allocate(capacity: 2)
    slots.initialize(repeating: nh_slot(lo: 21, hi: 0), count: 2)
    let bare = BareCall()
    var sum: Int64 = 0
    let (ours, peer) = Measure.pair(
      rounds: 2_000_000,
      {
        for _ in 0..<$0 {
          role.call(method, slots) { if case .value(.int(let number)) = $0 { sum &+= number } }
        }
      },
      { for _ in 0..<$0 { bare.call() } })
    precondition(sum == 42 * (9 * 2_000_000 + 200_000), "the calls were not all answered")
    Measure.report(
      "typed method call by libffi, answered", ours, peer, unit: "ns", peerName: "ffi_call alone", aim: "3 x, 100 ns")
  }
}

/// ffi_call on a prepared interface and a function that does nothing: the floor.
private final class BareCall {
  private let interface = UnsafeMutablePointer<ffi_cif>.allocate(capacity: 1)
  private let types = UnsafeMutablePointer<UnsafeMutablePointer<ffi_type>?>.allocate(capacity: 4)
  private let values = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: 4)
  private let cells = UnsafeMutablePointer<UInt64>.allocate(capacity: 4)

  init() {
    for (place, letter) in Array("ppll".utf8).enumerated() {
      types[place] = cffi_type(letter)
      cells[place] = 21
      values[place] = UnsafeMutableRawPointer(cells + place)
    }
    _ = cffi_prepare(interface, 4, types)
  }

  func call() {
    let function: @convention(c) (UnsafeRawPointer?, UnsafeRawPointer?, Int64, Int64) -> Void = { _, _, _, _ in }
    ffi_call(interface, unsafeBitCast(function, to: nh_function.self), nil, values)
  }
}
