"""The manifest of an MPIJob for Kubernetes' MPI Operator, v2beta1.

The operator starts sshd in every worker and a launcher beside them, in which dtrain finds the workers by
`/etc/mpi/hostfile`. The image has to be built on one of the operator's bases (user mpiuser, sshd on port 2222).
"""

import json
import re
import shlex

from dtrain_launch.batch import GRACE_SECONDS, WARNING_SECONDS, Request, body

IMAGE = "registry.example.org/dtrain:latest"

_JOB = """\
# {asked}
# Start it with `kubectl create -f job`; started again, it goes on where it was.
apiVersion: kubeflow.org/v2beta1
kind: MPIJob
metadata:
  name: {name}
spec:
  slotsPerWorker: {per_host}  # ranks of a worker
  launcherCreationPolicy: WaitForWorkersReady
  runPolicy:
    cleanPodPolicy: Running
    backoffLimit: 3  # starts of the launcher, should it be lost itself
  sshAuthMountPath: /home/mpiuser/.ssh
  mpiReplicaSpecs:
    Launcher:
      replicas: 1
      restartPolicy: OnFailure
      template:
        spec:
          terminationGracePeriodSeconds: {warning}
          containers:
            - name: launcher
              image: {image}
              workingDir: /runs
              securityContext:
                runAsUser: 1000
              env:
                - name: DTRAIN_GRACE  # seconds for the ranks to save and leave
                  value: "{grace}"
              command:
                - bash
                - -euc
                - |
{body}
              volumeMounts:
                - name: runs
                  mountPath: /runs
          volumes:
            - name: runs
              persistentVolumeClaim:
                claimName: runs  # ReadWriteMany, for data and run folders
    Worker:
      replicas: {workers}
      template:
        spec:
          terminationGracePeriodSeconds: {warning}
          containers:
            - name: worker
              image: {image}
              workingDir: /runs
              securityContext:
                runAsUser: 1000
              command:
                - /usr/sbin/sshd
                - -De
                - -f
                - /home/mpiuser/.sshd_config
              readinessProbe:
                tcpSocket:
                  port: 2222
                initialDelaySeconds: 2
              resources:
                limits:
                  cpu: {cores}  # ranks of a worker × BLAS threads of a rank
              volumeMounts:
                - name: runs
                  mountPath: /runs
          volumes:
            - name: runs
              persistentVolumeClaim:
                claimName: runs
"""


def mpi_job(request: Request, image: str = IMAGE) -> str:
    """A manifest for `kubectl create`; the last worker may have slots that stay free."""
    per_host = request.per_host or 1
    return _JOB.format(
        asked=shlex.join(request.asked),
        name=json.dumps(_dns(request.name)),
        per_host=per_host,
        workers=-(-request.ranks // per_host),
        cores=per_host * request.threads,
        image=json.dumps(image),
        warning=WARNING_SECONDS,
        grace=GRACE_SECONDS,
        body="\n".join(f"{' ' * 18}{line}" for line in body(request)),
    )


def _dns(name: str) -> str:
    """A name that Kubernetes takes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "dtrain"
