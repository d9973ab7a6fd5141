import CNodeABI
import HostCore

/// Lends a role an nh_rpc_event for the time of a call.
enum RpcEvent {
  static var noBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

  @inline(__always)
  static func make(_ kind: UInt32, _ call: RpcCall, payload: UnsafeRawBufferPointer = noBytes) -> nh_rpc_event {
    var event = nh_rpc_event()
    event.struct_size = UInt32(MemoryLayout<nh_rpc_event>.size)
    event.revision = NH_ABI_REVISION
    event.kind = kind
    event.call = call.handle
    event.token = call.token
    event.payload = nh_bytes(ptr: payload.baseAddress?.assumingMemoryBound(to: UInt8.self), len: UInt64(payload.count))
    return event
  }
}
