import CNodeABI

/// The services that the headers describe, whether or not this host offers them.
package enum HostServices {
  package static let known: [String] = [
    NH_BLOB_ID, NH_BUS_ID, NH_CLIENT_ID, NH_CLUSTER_ID, NH_FD_ID, NH_HTTP_ID, NH_METRICS_ID, NH_PEERS_ID, NH_RANDOM_ID,
    NH_ROLES_ID, NH_RPC_ID, NH_STORE_ID, NH_TIMER_ID, NH_WORK_ID,
  ]
}
