import { AnnotationQuery } from '@grafana/data';

import { FlowgaugeQuery, StoredQuery } from '../types';
import { migrate } from './migrate';

/**
 * A new annotation asks for annotations: figures have no text to show. Grafana leaves in it what the data
 * source had that was chosen before.
 */
export function prepareAnnotation(annotation: AnnotationQuery<FlowgaugeQuery>): AnnotationQuery<FlowgaugeQuery> {
  const target: StoredQuery | undefined = annotation.target;
  if (target?.queryType !== undefined || target?.metrics !== undefined) {
    return annotation;
  }
  return { ...annotation, target: migrate({ refId: 'Anno', queryType: 'annotations', format: 'annotations' }) };
}
