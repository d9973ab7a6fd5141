import NodeValues
import Synchronization

/// Each function that the scripted host offers, with what the headers say of it.
enum HostFunction: UInt16, CaseIterable {
  case getService, log, fail, now, checkThread
  case reply, replyError
  case timerOnce, timerEvery, timerCancel, timerRemaining
  case randomNext, randomBelow, randomFill
  case publish, subscribe, unsubscribe
  case rolesCall, rolesCancel, rolesList
  case counter, gauge, histogram, metricAdd, metricSet, metricObserve
  case submitWork, cancelWork
  case storeCommit, storeGet, storeScan, storeCancel
  case blobBegin, blobWrite, blobFinish, blobAbandon, blobRead, blobCredit, blobStat, blobList, blobRemove, blobCancel
  case clientRequest, clientWrite, clientFinish, clientCancel, clientCredit
  case route, unroute, respond, writeBody, finishBody, abortExchange, creditBody, forward
  case fdWatch, fdChange, fdUnwatch
  case peersSend, peersNodes, peersUp
  case rpcServe, rpcUnserve, rpcDescribe, rpcCall, rpcMetadata, rpcSend, rpcFinish, rpcCancel, rpcCredit

  /// As the headers name it.
  var name: String {
    switch self {
    case .getService: "nh_host.get_service"
    case .log: "nh_host.log"
    case .fail: "nh_host.fail"
    case .now: "nh_host.now"
    case .checkThread: "nh_host.check_thread"
    case .reply: "nh_answer.reply"
    case .replyError: "nh_answer.fail"
    case .timerOnce: "nh_timer_service.once"
    case .timerEvery: "nh_timer_service.every"
    case .timerCancel: "nh_timer_service.cancel"
    case .timerRemaining: "nh_timer_service.remaining"
    case .randomNext: "nh_random_service.next"
    case .randomBelow: "nh_random_service.below"
    case .randomFill: "nh_random_service.fill"
    case .publish: "nh_bus_service.publish"
    case .subscribe: "nh_bus_service.subscribe"
    case .unsubscribe: "nh_bus_service.unsubscribe"
    case .rolesCall: "nh_roles_service.call"
    case .rolesCancel: "nh_roles_service.cancel"
    case .rolesList: "nh_roles_service.list"
    case .counter: "nh_metrics_service.counter"
    case .gauge: "nh_metrics_service.gauge"
    case .histogram: "nh_metrics_service.histogram"
    case .metricAdd: "nh_metrics_service.add"
    case .metricSet: "nh_metrics_service.set"
    case .metricObserve: "nh_metrics_service.observe"
    case .submitWork: "nh_work_service.submit"
    case .cancelWork: "nh_work_service.cancel"
    case .storeCommit: "nh_store_service.commit"
    case .storeGet: "nh_store_service.get"
    case .storeScan: "nh_store_service.scan"
    case .storeCancel: "nh_store_service.cancel"
    case .blobBegin: "nh_blob_service.begin"
    case .blobWrite: "nh_blob_service.write"
    case .blobFinish: "nh_blob_service.finish"
    case .blobAbandon: "nh_blob_service.abandon"
    case .blobRead: "nh_blob_service.read"
    case .blobCredit: "nh_blob_service.credit"
    case .blobStat: "nh_blob_service.stat"
    case .blobList: "nh_blob_service.list"
    case .blobRemove: "nh_blob_service.remove"
    case .blobCancel: "nh_blob_service.cancel"
    case .clientRequest: "nh_client_service.request"
    case .clientWrite: "nh_client_service.write"
    case .clientFinish: "nh_client_service.finish"
    case .clientCancel: "nh_client_service.cancel"
    case .clientCredit: "nh_client_service.credit"
    case .route: "nh_http_service.route"
    case .unroute: "nh_http_service.unroute"
    case .respond: "nh_http_service.respond"
    case .writeBody: "nh_http_service.write"
    case .finishBody: "nh_http_service.finish"
    case .abortExchange: "nh_http_service.abort"
    case .creditBody: "nh_http_service.credit"
    case .forward: "nh_http_service.forward"
    case .fdWatch: "nh_fd_service.watch"
    case .fdChange: "nh_fd_service.change"
    case .fdUnwatch: "nh_fd_service.unwatch"
    case .peersSend: "nh_peers_service.send"
    case .peersNodes: "nh_peers_service.nodes"
    case .peersUp: "nh_peers_service.is_up"
    case .rpcServe: "nh_rpc_service.serve"
    case .rpcUnserve: "nh_rpc_service.unserve"
    case .rpcDescribe: "nh_rpc_service.describe"
    case .rpcCall: "nh_rpc_service.call"
    case .rpcMetadata: "nh_rpc_service.metadata"
    case .rpcSend: "nh_rpc_service.send"
    case .rpcFinish: "nh_rpc_service.finish"
    case .rpcCancel: "nh_rpc_service.cancel"
    case .rpcCredit: "nh_rpc_service.credit"
    }
  }

  /// Whether the headers give it a way to fail.
  var canFail: Bool {
    switch self {
    // Who could not unwatch could not close either.
    case .log, .fail, .now, .checkThread, .randomNext, .randomBelow, .metricAdd, .metricSet, .metricObserve, .peersUp,
      .fdUnwatch:
      false
    default: true
    }
  }

  private static let contract = Contract()
  private static let known = Mutex<[UInt32: String]>([:])

  /// The bracket that forbids it here and now, or nil.
  func breach(in phase: RolePhase, onLoop: Bool) -> String? {
    let key = UInt32(rawValue) << 16 | UInt32(phase.rawValue) << 8 | (onLoop ? 1 : 0)
    let bracket = Self.known.withLock { known in
      if let found = known[key] { return found }
      let words = phase.words.union(onLoop ? ["any", "loop"] : ["any"])
      let found = Self.contract.breach(of: name, words: words) ?? ""
      known[key] = found
      return found
    }
    return bracket.isEmpty ? nil : bracket
  }
}

/// Where a role is between create and destroy.
enum RolePhase: UInt8 {
  case creating, created, starting, running, draining, stopping, stopped, destroyed

  /// The words of the headers' brackets that hold.
  var words: Set<String> {
    switch self {
    case .creating: ["creating"]
    case .created, .destroyed: []
    case .starting: ["starting"]
    case .running: ["running"]
    case .draining: ["running", "draining"]
    case .stopping: ["stopping"]
    case .stopped: ["stopped"]
    }
  }

  var description: String {
    switch self {
    case .creating: "in create"
    case .created: "between create and start"
    case .starting: "in start"
    case .running: "running"
    case .draining: "draining"
    case .stopping: "in stop"
    case .stopped: "stopped"
    case .destroyed: "destroyed"
    }
  }
}
