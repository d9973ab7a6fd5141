internal import CNodeABI

struct FakeJob {
  var function: nh_work_function
  var job: UnsafeMutableRawPointer?
  var token: UInt64
  var isCancelled = false
  var due: UInt64
}

/// Jobs run on the test's own thread, one after the other, when the clock next moves.
extension FakeHost {
  private static let jobLimit = 1_024

  func submitWork(_ function: nh_function, _ job: UnsafeMutableRawPointer?, _ token: UInt64) -> nh_handle {
    guard permits("nh_work_service.submit"), jobs.count < Self.jobLimit else { return 0 }
    return jobs.insert { handle in
      FakeJob(
        function: unsafeBitCast(function, to: nh_work_function.self), job: job, token: token,
        due: clock.schedule(after: workTakes) { [unowned self] in runJob(handle) })
    }
  }

  func cancelWork(_ handle: nh_handle) -> nh_status {
    guard allows("nh_work_service.cancel") else { return NH_FAILED_PRECONDITION }
    guard let job = jobs[handle] else {
      expectGiven(handle, jobs, "nh_work_service.cancel")
      return NH_NOT_FOUND
    }
    clock.cancel(job.due)
    jobs.update(handle) { $0.isCancelled = true }
    _ = clock.schedule(after: .zero) { [unowned self] in runJob(handle) }
    return NH_OK
  }

  private func runJob(_ handle: nh_handle) {
    guard let job = jobs.remove(handle) else { return }
    // It had not begun when it was cancelled.
    if job.isCancelled { return answer(handle, job, NH_CANCELLED, []) }
    let output = SinkBuffer()
    var context = nh_work_context(
      struct_size: UInt32(MemoryLayout<nh_work_context>.size), revision: 1,
      ctx: Unmanaged.passUnretained(self).toOpaque(), is_cancelled: { _ in 0 },
      progress: { FakeHost.at($0).workProgress.append($1) })
    let status = output.lend { job.function(&context, job.job, $0) }
    answer(handle, job, status, output.bytes)
  }

  private func answer(_ handle: nh_handle, _ job: FakeJob, _ status: nh_status, _ result: [UInt8]) {
    guard let function = library.table.on_reply else { return breach("a job ended, and the role has no on_reply") }
    Value.bytes(result).lend(as: .bytes) { borrowed in
      var reply = nh_reply(
        struct_size: UInt32(MemoryLayout<nh_reply>.size), revision: 1, request: handle, token: job.token,
        status: status, flags: 0, message: nh_str(ptr: nil, len: 0), key: nh_bytes(ptr: nil, len: 0), value: borrowed,
        revision_number: 0)
      function(role, &reply)
    }
  }
}
