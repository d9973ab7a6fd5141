import CNodeABI
import HostCore
import NodeValues
import Synchronization

/// A job of a role on the CPU pool.
struct OpenJob {
  var token: UInt64
  var work: WorkJob?
}

/// The work service, as one role sees it.
extension RoleInstance {
  static let jobLimit = 1024

  func submitWork(_ function: nh_function, _ job: UnsafeMutableRawPointer?, _ token: UInt64) -> nh_handle {
    guard permits([.starting, .running], "work.submit"), let handle = jobs.insert(OpenJob(token: token, work: nil))
    else { return 0 }
    let work = WorkJob(unsafeBitCast(function, to: nh_work_function.self), job) { [self] job, status, result in
      let status = job.isCancelled.load(ordering: .relaxed) && status == NH_OK ? NH_CANCELLED : status
      loop.post { [self] in seat.pass(.quieting) { [self] in workEnded(handle, status, result) } }
    }
    jobs[handle]?.work = work
    node.work.submit(work, for: self)
    return handle
  }

  func cancelWork(_ handle: nh_handle) -> nh_status {
    guard permits([.running], "work.cancel") else { return NH_FAILED_PRECONDITION }
    guard let work = jobs[handle]?.work else { return NH_NOT_FOUND }
    node.work.cancel(work, of: self)
    return NH_OK
  }

  private func workEnded(_ handle: UInt64, _ status: nh_status, _ result: [UInt8]) {
    guard let job = jobs.remove(handle) else { return }
    defer { tellIfQuiet() }
    let packed = PackedValues([.bytes(result)])
    var reply = nh_reply()
    reply.struct_size = UInt32(MemoryLayout<nh_reply>.size)
    reply.revision = NH_ABI_REVISION
    reply.request = handle
    reply.token = job.token
    reply.status = status
    reply.value = nh_value(letter: UInt32(ValueType.bytes.rawValue), reserved: 0, slot: packed.slots[0])
    withExtendedLifetime(packed) { deliverReply(&reply) }
  }

  /// A swap waits no longer: jobs are told to end, and are answered here and now when they have.
  func cutJobsShort() {
    endJobs()
    for (handle, _) in jobs.elements { workEnded(handle, NH_CANCELLED, []) }
  }

  /// No job touches the role's memory when this returns. A function that does not look whether it was cancelled holds
  /// the role's loop for as long as it runs.
  func endJobs() {
    for (_, job) in jobs.elements { if let work = job.work { node.work.cancel(work, of: self) } }
    node.work.waitForRunning(of: self)
  }
}
