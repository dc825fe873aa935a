package drover.bed;

import java.io.IOException;

import org.elasticsearch.Build;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.ActionRequest;
import org.elasticsearch.action.ActionRequestValidationException;
import org.elasticsearch.action.ActionResponse;
import org.elasticsearch.action.ActionType;
import org.elasticsearch.action.support.ActionFilters;
import org.elasticsearch.action.support.TransportAction;
import org.elasticsearch.cluster.ClusterState;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.common.io.stream.StreamOutput;
import org.elasticsearch.common.util.concurrent.EsExecutors;
import org.elasticsearch.injection.guice.Inject;
import org.elasticsearch.tasks.Task;
import org.elasticsearch.transport.TransportService;
import org.elasticsearch.xcontent.ToXContentObject;
import org.elasticsearch.xcontent.XContentBuilder;

/**
 * What {@code GET /} shows, under the action name of the real one: a user without the privilege is
 * refused with the same words, and a node without an elected master answers all the same.
 */
public final class RootAction extends TransportAction<RootAction.Request, RootAction.Response> {
    static final ActionType<Response> TYPE = new ActionType<>("cluster:monitor/main");

    private final ClusterService cluster;

    @Inject
    public RootAction(TransportService transport, ActionFilters filters, ClusterService cluster) {
        super(TYPE.name(), filters, transport.getTaskManager(), EsExecutors.DIRECT_EXECUTOR_SERVICE);
        this.cluster = cluster;
    }

    @Override
    protected void doExecute(Task task, Request request, ActionListener<Response> listener) {
        listener.onResponse(new Response(cluster.state()));
    }

    static final class Request extends ActionRequest {
        @Override
        public ActionRequestValidationException validate() {
            return null;
        }
    }

    static final class Response extends ActionResponse implements ToXContentObject {
        private final ClusterState state;

        Response(ClusterState state) {
            this.state = state;
        }

        @Override
        public void writeTo(StreamOutput out) {
            throw new UnsupportedOperationException("this answer never leaves its node");
        }

        @Override
        public XContentBuilder toXContent(XContentBuilder body, Params params) throws IOException {
            Build build = Build.current();
            body.startObject()
                .field("name", state.nodes().getLocalNode().getName())
                .field("cluster_name", state.getClusterName().value())
                .field("cluster_uuid", state.metadata().clusterUUID());
            body.startObject("version")
                .field("number", build.version())
                .field("build_flavor", build.flavor())
                .field("build_type", build.type().displayName())
                .field("build_hash", build.hash())
                .field("build_date", build.date())
                .field("build_snapshot", build.isSnapshot())
                .field("minimum_wire_compatibility_version", build.minWireCompatVersion())
                .field("minimum_index_compatibility_version", build.minIndexCompatVersion())
                .endObject();
            return body.field("tagline", "You Know, for Search").endObject();
        }
    }
}
